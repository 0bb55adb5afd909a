// Settings of Prisma's command line, a development tool. It wants to download a schema engine that none of the
// commands used here (generate, validate, format) needs: naming any executable keeps it from trying.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default { schema: 'prisma/schema.prisma' };
