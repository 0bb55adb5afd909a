// The module that an application imports: TenantryModule.forRoot(verifier) guards all routes that are not public.
import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import type { Verifier } from 'tenantry/verifier';
import { TenantryFilter, TenantryGuard, VERIFIER } from './tenantry.guard.js';

@Module({})
export class TenantryModule implements OnApplicationShutdown {
  constructor(@Inject(VERIFIER) private readonly verifier: Verifier) {}

  static forRoot(verifier: Verifier): DynamicModule {
    return {
      module: TenantryModule,
      global: true,
      providers: [
        { provide: VERIFIER, useValue: verifier },
        { provide: APP_GUARD, useClass: TenantryGuard },
        { provide: APP_FILTER, useClass: TenantryFilter },
      ],
      exports: [VERIFIER],
    };
  }

  onApplicationShutdown(): void {
    this.verifier.close();
  }
}
