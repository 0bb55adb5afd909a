// The settings for what the process serves, and where.
import { z } from 'zod';
import { duration, flag, origin, wholeNumber } from '../fields.ts';

export const SERVICE = {
  NODE_ENV: z
    .enum(['development', 'test', 'production'])
    .default('development')
    .meta({ description: 'production refuses development keys, the embedded database and a PUBLIC_URL with http.' }),
  HOST: z.string().default('127.0.0.1').meta({ description: 'The address to listen on.' }),
  PORT: wholeNumber(0, 65_535).default(3000).meta({
    description:
      'The port to listen on; 0 means any free port. Without PUBLIC_URL, it is part of the issuer of the tokens and of the links in mails.',
  }),
  PUBLIC_URL: origin.optional().meta({
    description:
      'The address at which clients reach the service. It is also the issuer (iss) of its tokens. Default: http://localhost:PORT.',
  }),
  DATA_DIR: z
    .string()
    .default('.data')
    .meta({ description: 'The folder for the embedded database, development keys and caches.' }),
  SHUTDOWN_DELAY: duration(0, 300).optional().meta({
    description:
      'How long the service still serves every request after SIGTERM, while /readyz already answers 503. In this time proxies must notice it. Default: 5s in production, otherwise 0.',
  }),
  DOCS_ENABLED: flag.optional().meta({ description: 'Serves the API reference at /docs. Default: not in production.' }),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .meta({ description: 'The lowest level that is logged.' }),
} as const;
