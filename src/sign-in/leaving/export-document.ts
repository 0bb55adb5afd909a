// All pages of what is stored about a person, as one document of the same shape.
import { type ExportDeps, type ExportPage, exportPage, PARTS, partOf } from './export.ts';

/**
 * Yields the text of the document, a page at a time, so that only one page is in memory. Raises session_revoked when
 * the account is closed, even while the document is being read.
 */
export async function* exportDocument(
  deps: ExportDeps,
  userId: string,
  actorId: string | null,
): AsyncGenerator<string, void> {
  let open = { part: -1, rows: 0 };
  let cursor: string | null = null;
  do {
    const page: ExportPage = await exportPage(deps, userId, { cursor, actorId });
    const { exportedAt, account, ...lists } = page.data;
    let text = cursor === null ? `{"data":${JSON.stringify({ exportedAt, account }).slice(0, -1)}` : '';
    cursor = page.pagination.nextCursor;
    // The lists follow each other. A page continues the list that is open, and may begin the lists after it.
    const reached = cursor === null ? PARTS.length - 1 : PARTS.indexOf(partOf(cursor));
    for (const [part, name] of PARTS.slice(0, reached + 1).entries()) {
      if (part > open.part) {
        text += `${open.part < 0 ? '' : ']'},"${name}":[`;
        open = { part, rows: 0 };
      }
      for (const row of lists[name]) {
        text += `${open.rows === 0 ? '' : ','}\n${JSON.stringify(row)}`;
        open.rows += 1;
      }
    }
    yield text;
  } while (cursor !== null);
  yield ']},"pagination":{"nextCursor":null,"hasMore":false}}\n';
}
