// The problems of the request itself: its form, its size, its method and its rate.
import type { ProblemKind } from './service-problems.ts';

export const REQUEST_PROBLEMS = {
  malformed_json: {
    status: 400,
    title: 'Malformed JSON',
    detail: 'The body is not valid JSON: send one JSON object in UTF-8.',
  },
  duplicate_member: {
    status: 400,
    title: 'Duplicate member',
    detail: 'An object in the body has a member more than once: send each member once.',
  },
  bad_request: {
    status: 400,
    title: 'Bad request',
    detail: 'The request cannot be understood: check its headers, path and length.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'Send the body as application/json.',
  },
  body_too_large: {
    status: 413,
    title: 'Body too large',
    detail: 'The body is larger than this endpoint accepts: send less.',
  },
  uri_too_long: {
    status: 414,
    title: 'URI too long',
    detail: 'The path or query is longer than the service accepts: send less.',
  },
  headers_too_large: {
    status: 431,
    title: 'Headers too large',
    detail: 'The request headers are larger than the service accepts: send less.',
  },
  validation_failed: {
    status: 422,
    title: 'Validation failed',
    detail: 'Some values were refused: see issues for each of them.',
  },
  audience_not_listed: {
    status: 422,
    title: 'Audience not on the list',
    detail:
      'The operator’s list of audiences (TOKEN_AUDIENCES) does not have this audience: choose one from the list, or leave it out for the audience of users’ tokens.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    detail: 'Nothing that you may see exists at this path: check the path and the id.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'This path does not support the method: see the Allow header.',
  },
  expectation_failed: {
    status: 417,
    title: 'Expectation failed',
    detail: 'Send the request without the Expect header.',
  },
  not_acceptable: {
    status: 406,
    title: 'Not acceptable',
    detail:
      'This endpoint offers none of the media types in the Accept header: leave the header out, or see the reference.',
  },
  request_timeout: {
    status: 408,
    title: 'Request timeout',
    detail: 'The request did not arrive in time: send it again.',
  },
  too_many_requests: {
    status: 429,
    title: 'Too many requests',
    detail: 'Slow down: try again after the seconds in Retry-After.',
  },
} as const satisfies Record<string, ProblemKind>;
