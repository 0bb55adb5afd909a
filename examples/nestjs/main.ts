// The application.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createVerifier } from 'tenantry/verifier';
import { DealsController, MeController } from './deals.controller.js';
import { TenantryModule } from './tenantry.module.js';

const verifier = createVerifier({
  issuer: process.env.TENANTRY_ISSUER ?? 'http://localhost:3000',
  audience: process.env.TENANTRY_AUDIENCE ?? 'tenantry',
  revocation: {
    credentials: {
      clientId: process.env.TENANTRY_CLIENT_ID ?? '',
      clientSecret: process.env.TENANTRY_CLIENT_SECRET ?? '',
    },
  },
});

@Module({
  imports: [TenantryModule.forRoot(verifier)],
  controllers: [DealsController, MeController],
})
class AppModule {}

await verifier.ready().catch((error: Error) => {
  console.error(error.message); // such as that the service is not running, or refuses the credentials
  process.exit(1);
});
const app = await NestFactory.create(AppModule);
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 3001);
