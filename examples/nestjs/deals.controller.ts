// Examples of controllers in an application.
import { Controller, Get, Post } from '@nestjs/common';
import type { VerifiedPrincipal } from 'tenantry/verifier';
import { CurrentPrincipal, Public, RequirePermission } from './decorators.js';

@Controller('deals')
@RequirePermission('deals:read')
export class DealsController {
  @Get()
  list(@CurrentPrincipal() principal: VerifiedPrincipal) {
    return { organization: principal.organizationId, deals: [] };
  }

  @Post()
  @RequirePermission('deals:write')
  create(@CurrentPrincipal() principal: VerifiedPrincipal) {
    return { createdBy: principal.id };
  }

  @Get('health')
  @Public()
  health() {
    return { ok: true };
  }
}

@Controller('me')
export class MeController {
  @Get()
  show(@CurrentPrincipal() principal: VerifiedPrincipal) {
    return { id: principal.id };
  }
}
