// The files that pages load, such as their stylesheet. The name of each file contains a hash of its content.
import { z } from 'zod';
import { problem } from '../errors/problem.ts';
import { type Endpoint, endpoint, open } from '../http/endpoint.ts';

const FOR_EVER = 'public, max-age=31536000, immutable';

/** The route of the files, which are in the kit of the server. */
export function assetRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/assets/:name',
      access: open(),
      id: 'getAsset',
      summary: 'Read a file that pages load',
      tag: 'Pages',
      params: z.strictObject({ name: z.string() }),
      reply: { 200: { mediaType: '*/*' } },
      handle({ params, answer, kit }) {
        const asset = kit.assets.find(params.name);
        if (!asset) throw problem('not_found');
        answer.header('content-type', asset.mediaType);
        answer.header('cache-control', FOR_EVER);
        return asset.content;
      },
    }),
  ];
}
