// Reads a file as a program: its code without types and comments, its functions, and its exports. Node strips the types
// in the same way as before it runs a file. Every character keeps its position.
import { stripTypeScriptTypes } from 'node:module';
import { type Comment, type Program, parse } from 'acorn';
import type { Source } from '../support/sources.ts';
import { kept } from './repository.ts';

export interface Func {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

interface Syntax {
  /** The syntax tree. It is missing if the syntax is not JavaScript, because of decorators or an error. */
  readonly program: Program | undefined;
  /** The code without types and comments. */
  readonly code: string;
  /** The code with types and without comments, for the rules about imports of types. */
  readonly typed: string;
}

interface Node {
  readonly type: string;
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } };
  readonly id?: { readonly name?: string } | null;
  readonly key?: { readonly name?: string };
  readonly callee?: { readonly property?: { readonly name?: string } };
  readonly arguments?: readonly { readonly value?: unknown; readonly properties?: readonly Pick<Node, 'key'>[] }[];
}

/** Returns the program of a file. */
export const syntaxOf = kept(({ path, text, code }: Source): Syntax => {
  try {
    const plain = path.endsWith('.ts') ? stripTypeScriptTypes(text) : text;
    const comments: Comment[] = [];
    const program = parse(plain, {
      ecmaVersion: 'latest',
      sourceType: 'module',
      locations: true,
      allowHashBang: true,
      onComment: comments,
    });
    return { program, code: without(plain, comments), typed: without(text, comments) };
  } catch {
    return { program: undefined, code, typed: code };
  }
});

function without(text: string, comments: readonly Comment[]): string {
  let left = '';
  let at = 0;
  for (const { start, end } of comments) {
    left += text.slice(at, start) + text.slice(start, end).replace(/[^\n]/g, ' ');
    at = end;
  }
  return left + text.slice(at);
}

/** Returns the code of a file without types and comments. */
export function codeOf(source: Source): string {
  return syntaxOf(source).code;
}

/** Returns every function of a file, including arrow functions and methods, with its number of lines. */
export const functionsOf = kept((source: Source): readonly Func[] => {
  const found: Func[] = [];
  visit(syntaxOf(source).program, 'anonymous', (node, name) => {
    if (!/Function/.test(node.type)) return;
    const { start, end } = node.loc;
    found.push({ name, line: start.line, lines: end.line - start.line + 1 });
  });
  return found;
});

function visit(value: unknown, named: string, see: (node: Node, name: string) => void): void {
  if (Array.isArray(value)) for (const one of value) visit(one, named, see);
  if (typeof value !== 'object' || value === null || !('type' in value)) return;
  const node = value as Node;
  const name = node.id?.name ?? node.key?.name ?? titleOf(node) ?? named;
  see(node, name);
  for (const [key, child] of Object.entries(node)) if (key !== 'loc') visit(child, name, see);
}

// The name of a test is its title.
function titleOf(node: Node): string | undefined {
  const [title] = node.type === 'CallExpression' ? (node.arguments ?? []) : [];
  return typeof title?.value === 'string' ? `'${title.value}'` : undefined;
}

const HOLDS = new Set(['only', 'skip', 'todo']);

/** Whether a file calls a function such as t.skip, or passes such an option to a test. */
export const holdsTests = kept((source: Source): boolean => {
  let isHolding = false;
  visit(syntaxOf(source).program, '', ({ type, callee, arguments: given = [] }) => {
    if (type !== 'CallExpression') return;
    const options = given.flatMap(({ properties = [] }) => properties.map(({ key }) => key?.name ?? ''));
    const called = callee?.property?.name ?? '';
    isHolding ||= HOLDS.has(called) || (called === 'test' && options.some((name) => HOLDS.has(name)));
  });
  return isHolding;
});

/** Returns the names of the functions and constants that a file exports, without types. */
export const exportsOf = kept((source: Source): readonly string[] =>
  (syntaxOf(source).program?.body ?? []).flatMap((node) => {
    if (node.type !== 'ExportNamedDeclaration') return [];
    const { declaration, specifiers } = node;
    const aliases = specifiers.flatMap(({ exported }) => ('name' in exported ? [exported.name] : []));
    if (!declaration) return aliases;
    if (declaration.type !== 'VariableDeclaration') return [declaration.id.name];
    return declaration.declarations.flatMap(({ id }) => (id.type === 'Identifier' ? [id.name] : []));
  }),
);
