// Which files of a folder become keys, and the reasons for which other files are refused.
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { FILE_BYTES_MAX } from '../../../src/credentials/keys/file.ts';
import { generateKeyFile } from '../../../src/credentials/keys/generate.ts';
import { instantOfName, nameOfInstant } from '../../../src/credentials/keys/name.ts';
import { KeyRingEmpty } from '../../../src/credentials/keys/ring.ts';
import { clockAt, folderOf, keptLog, kids, openRing, pkcs8, sampleKey } from './sample-keys.ts';

const good = await sampleKey();
const other = await sampleKey();
const clock = clockAt('2026-11-21T12:00:00Z');
const jwk = good.key.export({ format: 'jwk' });
const GOOD = '2026-11-01T00-00-00Z.pem';

function withMembers(members: object): string {
  return pkcs8(createPrivateKey({ format: 'jwk', key: { ...jwk, ...members } }));
}

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey;
const short = (await sampleKey(1024)).pem;
const almost = (await sampleKey(2040)).pem;
const encrypted = good.key
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'right' })
  .toString();

const UNFIT: readonly (readonly [what: string, name: string, content: string, reason: RegExp])[] = [
  ['an EC key', '2026-11-02T00-00-00Z.pem', pkcs8(ec), /type ec/],
  ['an Ed25519 key', '2026-11-02T00-00-00Z.pem', pkcs8(generateKeyPairSync('ed25519').privateKey), /type ed25519/],
  ['an RSA-PSS key', '2026-11-02T00-00-00Z.pem', pkcs8(pss), /RSA-PSS/],
  ['a key of 1024 bits', '2026-11-02T00-00-00Z.pem', short, /1024 bits/],
  ['a key of 2040 bits', '2026-11-02T00-00-00Z.pem', almost, /2040 bits/],
  ['a public exponent of 1', '2026-11-02T00-00-00Z.pem', withMembers({ e: 'AQ' }), /exponent/],
  ['an even public exponent', '2026-11-02T00-00-00Z.pem', withMembers({ e: 'AQAA' }), /exponent/],
  ['a public exponent past 31 bits', '2026-11-02T00-00-00Z.pem', withMembers({ e: 'AQAAAAE' }), /exponent/],
  [
    'a modulus of another key',
    '2026-11-02T00-00-00Z.pem',
    withMembers({ n: other.key.export({ format: 'jwk' }).n }),
    /belong together/,
  ],
  ['a public key only', '2026-11-02T00-00-00Z.pem', publicPem(), /public key only/],
  [
    'the PKCS#1 form',
    '2026-11-02T00-00-00Z.pem',
    good.key.export({ type: 'pkcs1', format: 'pem' }).toString(),
    /PKCS#8/,
  ],
  ['an encrypted key without a passphrase', '2026-11-02T00-00-00Z.pem', encrypted, /no passphrase/],
  ['two keys in one file', '2026-11-02T00-00-00Z.pem', good.pem + other.pem, /2 PEM blocks/],
  ['a cut key', '2026-11-02T00-00-00Z.pem', good.pem.slice(0, 700), /not a readable/],
  [
    'a damaged key',
    '2026-11-02T00-00-00Z.pem',
    good.pem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA'),
    /not a readable/,
  ],
  ['garbage', '2026-11-02T00-00-00Z.pem', '\u0000garbage\n'.repeat(9), /no PEM block/],
  ['an empty file', '2026-11-02T00-00-00Z.pem', '', /no PEM block/],
  ['a file that is too large', '2026-11-02T00-00-00Z.pem', good.pem + ' '.repeat(FILE_BYTES_MAX), /larger than 64 KiB/],
  ['a name without an instant', 'current.pem', other.pem, /does not begin with/],
  ['a date without a time', '2026-11-02.pem', other.pem, /does not begin with/],
  ['a thirteenth month', '2026-13-45T00-00-00Z.pem', other.pem, /does not exist/],
  ['a thirtieth of February', '2026-02-30T00-00-00Z.pem', other.pem, /does not exist/],
  ['a twenty-fifth hour', '2026-11-02T24-00-00Z.pem', other.pem, /does not exist/],
  ['another ending', '2026-11-02T00-00-00Z.key', other.pem, /end in .pem/],
];

function publicPem(): string {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

t.test(
  'the refusal of an unsuitable key file has its name and the reason, and the other keys keep working',
  async (t) => {
    for (const [what, name, content, reason] of UNFIT) {
      const log = keptLog();
      const ring = await openRing(t, {
        directory: await folderOf(t, { [GOOD]: good.pem, [name]: content }),
        clock,
        log,
      });
      t.same(kids(ring.keys()), [good.kid], what);
      const refusals = log.lines.filter(({ message }) => message === 'key file refused');
      t.equal(refusals.length, 1, `${what}: one line`);
      t.match(refusals[0], { level: 'warn', fields: { file: name, ring: 'access', reason } }, what);
    }
  },
);

t.test('the refusal of a file that cannot be read names the file', async (t) => {
  const directory = await folderOf(t, { [GOOD]: good.pem });
  await mkdir(join(directory, '2026-11-03T00-00-00Z.pem'));
  await symlink('/nowhere/at/all', join(directory, '2026-11-04T00-00-00Z.pem'));
  await symlink('2026-11-05T00-00-00Z.pem', join(directory, '2026-11-05T00-00-00Z.pem'));
  await writeFile(join(directory, '2026-11-06T00-00-00Z.pem'), other.pem);
  await chmod(join(directory, '2026-11-06T00-00-00Z.pem'), 0);
  const log = keptLog();
  const ring = await openRing(t, { directory, clock, log });
  const reasons = Object.fromEntries(log.lines.map(({ fields }) => [fields.file, fields.reason]));
  t.match(reasons['2026-11-03T00-00-00Z.pem'], /regular file/);
  t.match(reasons['2026-11-04T00-00-00Z.pem'], /points to nothing/);
  t.match(reasons['2026-11-05T00-00-00Z.pem'], /ELOOP/);
  // The superuser can read a file with any mode.
  if (process.getuid?.() !== 0) t.match(reasons['2026-11-06T00-00-00Z.pem'], /EACCES/);
  t.ok(kids(ring.keys()).includes(good.kid));
});

t.test('a refusal is logged once, however often the folder is read, and again when the file changes', async (t) => {
  const directory = await folderOf(t, { [GOOD]: good.pem, '2026-11-02T00-00-00Z.pem': 'garbage', 'x.pem': 'x' });
  await symlink('/nowhere/at/all', join(directory, '2026-11-04T00-00-00Z.pem'));
  const log = keptLog();
  const ring = await openRing(t, { directory, clock, log });
  const refusals = () => log.lines.filter(({ message }) => message === 'key file refused').length;
  await ring.reload();
  await ring.reload();
  t.equal(refusals(), 3);
  await writeFile(join(directory, '2026-11-02T00-00-00Z.pem'), short);
  await ring.reload();
  t.equal(refusals(), 4);
});

t.test('the error of a start without a usable key has the path, what to do, and every refused file', async (t) => {
  const directory = await folderOf(t, { 'notes.pem': 'garbage', '2026-11-02T00-00-00Z.pem': short });
  const refusal = await openRing(t, { directory, clock }).catch((error: unknown) => error);
  t.ok(refusal instanceof KeyRingEmpty);
  const { message } = refusal instanceof Error ? refusal : new Error();
  for (const part of [directory, 'keys -- generate', '"notes.pem"', '1024 bits']) t.ok(message.includes(part), part);
  await t.rejects(openRing(t, { directory: `${directory}/none`, clock }), /the folder does not exist/);
  await t.rejects(
    openRing(t, { file: `${directory}/none.pem`, clock }),
    /none\.pem\.\nProblem: the file does not exist/,
  );
  const future = await folderOf(t, { '2027-01-01T00-00-00Z.pem': good.pem });
  await t.rejects(openRing(t, { directory: future, clock }), /only from 2027-01-01T00:00:00.000Z on/);
});

t.test('no log line and no error contains any part of a key', async (t) => {
  const damaged = good.pem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
  const directory = await folderOf(t, { '2026-11-02T00-00-00Z.pem': damaged, '2026-11-03T00-00-00Z.pem': encrypted });
  const log = keptLog();
  const refusal = await openRing(t, { directory, clock, log, passphrase: 'a-wrong-secret' }).catch(String);
  const said = JSON.stringify(log.lines) + refusal;
  t.match(said, /the configured passphrase does not open it/);
  t.notMatch(said, /a-wrong-secret|OSSL|error:/);
  for (const line of (damaged + encrypted).split('\n').filter((each) => each.length > 20)) t.notOk(said.includes(line));
});

t.test('hidden entries are ignored without a log line, and a secret is read through symbolic links', async (t) => {
  const directory = await folderOf(t, { '.x.pem': 'garbage', '.half-written.tmp': good.pem });
  await mkdir(join(directory, '..2026_11_21'));
  await writeFile(join(directory, '..2026_11_21', GOOD), good.pem);
  await symlink('..2026_11_21', join(directory, '..data'));
  await symlink(join('..data', GOOD), join(directory, GOOD));
  const log = keptLog();
  const ring = await openRing(t, { directory, clock, log });
  t.same(kids(ring.keys()), [good.kid]);
  t.same(log.lines, []);
});

t.test('an encrypted key is read with its passphrase, even next to a key that is not encrypted', async (t) => {
  const directory = await folderOf(t, { [GOOD]: other.pem });
  const made = await generateKeyFile({ directory, activeFrom: new Date('2026-11-02T00:00:00Z'), passphrase: 'right' });
  const ring = await openRing(t, { directory, clock, passphrase: 'right' });
  t.equal(ring.signingKeyAt(clock.now()).kid, made.kid);
  t.same(kids(ring.keys()), [other.kid, made.kid]);
  await t.rejects(generateKeyFile({ directory, activeFrom: clock.now(), passphrase: '' }), RangeError);
});

t.test('a PEM with Windows line endings, a byte order mark or a comment above it is read', async (t) => {
  for (const content of [good.pem.replaceAll('\n', '\r\n'), `\uFEFF${good.pem}`, `made on a Monday\n${good.pem}`]) {
    const ring = await openRing(t, { directory: await folderOf(t, { [GOOD]: content }), clock });
    t.same(kids(ring.keys()), [good.kid]);
  }
});

t.test('the name of a key file and the instant in it convert into each other', async (t) => {
  const instant = new Date('2026-11-21T09:08:07.900Z');
  t.equal(nameOfInstant(instant, '-b'), '2026-11-21T09-08-07Z-b.pem');
  t.same(instantOfName(nameOfInstant(instant, '-b')), { instant: new Date('2026-11-21T09:08:07Z') });
  for (const outside of ['+010000-01-01T00:00:00Z', '1969-12-31T23:59:59Z', 'no date']) {
    t.throws(() => nameOfInstant(new Date(outside)), RangeError);
  }
  t.match(instantOfName('1969-12-31T23-59-59Z.pem'), { reason: /does not exist/ });
});
