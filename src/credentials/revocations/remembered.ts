// How long revocations are remembered, kept and read.
import { ACCESS_TTL_MAX_SECONDS } from '../../protocol/claims.ts';
import { CLOCKS_APART_SECONDS_MAX } from '../tokens/access.ts';

/**
 * How long an event is remembered: the longest token life that any configuration allows, and three minutes more. A
 * token may have been issued under an earlier configuration, by a clock that was ahead, and be judged by a clock that
 * is behind.
 */
export const REVOCATIONS_REMEMBERED_SECONDS = ACCESS_TTL_MAX_SECONDS + 2 * CLOCKS_APART_SECONDS_MAX + 60;
/**
 * How long rows stay in PostgreSQL: an hour longer than processes remember them. So a process that could not read for a
 * while still finds the rows. It also finds a row whose transaction commits long after the row got its time.
 */
export const ROWS_KEPT_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 3600;
/**
 * The greatest age of a row that is read. The limit is generous, because a row may get its time long before its
 * transaction commits.
 */
export const READ_WITHIN_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 480;
