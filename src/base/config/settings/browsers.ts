// The settings for browsers and for the proxies in front of the service.
import { z } from 'zod';
import { flag, isOrigin, list } from '../fields.ts';

export const BROWSERS = {
  CORS_ORIGINS: list
    .pipe(z.array(z.string().refine(isOrigin, 'must be an origin such as https://app.example.com')))
    .prefault('')
    .meta({
      description:
        'The exact origins of browser applications, separated by commas. They may also use the cookie transport. Production accepts https only.',
    }),
  TRUSTED_PROXIES: list
    .pipe(
      z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], { error: 'must be IP addresses or CIDR ranges' })),
    )
    .prefault('')
    .meta({
      description:
        'Addresses or CIDR ranges of proxies whose X-Forwarded-For header is trusted, separated by commas. Production refuses ranges that together contain half of all addresses or more.',
    }),
  HSTS_INCLUDE_SUBDOMAINS: flag.prefault('false').meta({
    description:
      'true: browsers use only https for every subdomain of the host of PUBLIC_URL too, for a year. Every service on these names must then have https.',
  }),
} as const;
