// Accepts requests with a good access token and requests to public routes, and answers those that it refuses.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  Inject,
  Injectable,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { VerificationError, type Verifier } from 'tenantry/verifier';
import { authenticateRequest, type PermissionCheck, sendRefusal } from 'tenantry/verifier/express';
import { CHECKS, PUBLIC } from './decorators.js';

export const VERIFIER = Symbol('verifier');

@Injectable()
export class TenantryGuard implements CanActivate {
  constructor(
    @Inject(VERIFIER) private readonly verifier: Verifier,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // WebSocket gateways check tokens in their handshake: see tenantry/verifier/websocket.
    if (context.getType() !== 'http') return false;
    const places = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, places)) return true;
    const request = context.switchToHttp().getRequest<IncomingMessage>();
    await authenticateRequest(this.verifier, request);
    for (const place of places) {
      for (const check of this.reflector.get<PermissionCheck[] | undefined>(CHECKS, place) ?? []) await check(request);
    }
    return true;
  }
}

/** Answers with problem details, WWW-Authenticate and Retry-After. */
@Catch(VerificationError)
export class TenantryFilter implements ExceptionFilter<VerificationError> {
  catch(error: VerificationError, host: ArgumentsHost): void {
    sendRefusal(host.switchToHttp().getResponse<ServerResponse>(), error);
  }
}
