// What controllers say about their routes: which permissions they need, which are for anybody, and whom they serve.
import type { IncomingMessage } from 'node:http';
import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { type PermissionCheck, permissionCheck, principalOf } from 'tenantry/verifier/express';

export const PUBLIC = Symbol('public');
export const CHECKS = Symbol('permission checks');

/** Leaves a controller or route to anybody: TenantryGuard lets every other request in by its token only. */
export const Public = () => SetMetadata(PUBLIC, true);

/**
 * Needs permissions, all of them, for a controller or route; several of these decorators add up. A misspelt one is a
 * TypeError when the class is loaded.
 */
export function RequirePermission(...permissions: string[]): ClassDecorator & MethodDecorator {
  const checks = permissions.map((permission) => permissionCheck(permission));
  return (target: object, _key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const holder = descriptor?.value ?? target;
    const others: PermissionCheck[] = Reflect.getOwnMetadata(CHECKS, holder) ?? [];
    Reflect.defineMetadata(CHECKS, [...others, ...checks], holder);
  };
}

/** The parameter of a handler that takes whom the request is from: a VerifiedPrincipal, null on public routes. */
export const CurrentPrincipal = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  principalOf(context.switchToHttp().getRequest<IncomingMessage>()),
);
