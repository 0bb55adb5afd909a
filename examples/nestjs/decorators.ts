// Decorators for controllers: the permissions of a route, routes for everybody, and the principal of a request.
import type { IncomingMessage } from 'node:http';
import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { type PermissionCheck, permissionCheck, principalOf } from 'tenantry/verifier/express';

export const PUBLIC = Symbol('public');
export const CHECKS = Symbol('permission checks');

/** Opens a controller or route to everybody. On every other route TenantryGuard requires a token. */
export const Public = () => SetMetadata(PUBLIC, true);

/**
 * Requires all of these permissions for a controller or route. Several of these decorators add up. A permission with a
 * mistake in its form raises TypeError when the class is loaded.
 */
export function RequirePermission(...permissions: string[]): ClassDecorator & MethodDecorator {
  const checks = permissions.map((permission) => permissionCheck(permission));
  return (target: object, _key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const holder = descriptor?.value ?? target;
    const others: PermissionCheck[] = Reflect.getOwnMetadata(CHECKS, holder) ?? [];
    Reflect.defineMetadata(CHECKS, [...others, ...checks], holder);
  };
}

/** Passes the sender of the request to a parameter of the handler: a VerifiedPrincipal, or null on public routes. */
export const CurrentPrincipal = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  principalOf(context.switchToHttp().getRequest<IncomingMessage>()),
);
