// SAP's client for Node.js must be as happy with the test server as with HANA: both log-on methods, the old and the
// new data format, batches, long texts, errors. Prints what was checked; exits 1 if anything is wrong.

import assert from 'node:assert/strict';
import { promisify } from 'node:util';

import hdb from 'hdb';
import iconv from 'iconv-lite';

import { binary, start } from './server.mjs';

const user = 'INGESTER';
const password = 'Secret123';
const lockWait = ['--lock-wait', '300'];

// A connected client whose methods return promises.
async function connect(server, options = {}) {
  const client = hdb.createClient({ host: '127.0.0.1', port: server.port, user, password, ...options });
  client.on('error', () => {});
  await promisify(client.connect.bind(client))(options);
  return {
    client,
    exec: promisify(client.exec.bind(client)),
    commit: promisify(client.commit.bind(client)),
    rollback: promisify(client.rollback.bind(client)),
    autoCommit: (on) => client.setAutoCommit(on),
    async prepare(sql) {
      const statement = await promisify(client.prepare.bind(client))(sql);
      return { exec: promisify(statement.exec.bind(statement)), drop: promisify(statement.drop.bind(statement)) };
    },
    close: () => new Promise((resolve) => client.disconnect(() => resolve(client.end()))),
  };
}

// node-hdb gives NCLOBs as the bytes that travelled.
const text = (value) => (Buffer.isBuffer(value) ? iconv.decode(value, 'cesu8') : value);

const long = 'a😀ßx'.repeat(67_500);
assert.equal(Buffer.byteLength(long), 540_000);

const createTable = `CREATE COLUMN TABLE "T" ("ID" NVARCHAR(36) NOT NULL PRIMARY KEY, "TXT" NVARCHAR(5000),
  "N" INTEGER, "D" DECIMAL(20,6), "TS" TIMESTAMP, "B" BOOLEAN, "DAY" DATE, "X" DOUBLE, "BIG" BIGINT, "DOC" NCLOB)`;
const upsert = `UPSERT "T" ("ID","TXT","N","D","TS","B","DAY","X","BIG","DOC") VALUES (?,?,?,?,?,?,?,?,?,?) WITH PRIMARY KEY`;

const checks = {
  async 'a query on DUMMY'({ db }) {
    const [row] = await db.exec("SELECT 'hä 😀' AS X, 1 AS ONE FROM DUMMY");
    assert.deepEqual({ ...row }, { X: 'hä 😀', ONE: 1 });
  },

  async 'an UPSERT batch with NULLs and text beyond the basic plane'({ db, format }) {
    await db.exec(createTable);
    const statement = await db.prepare(upsert);
    const rows = [
      ['R_1', 'grüße 😀 ok', -9, '12.340001', '2026-11-24 06:07:08.1234567', true, '2026-11-24', 0.5, '9000000000', 'doc 😀'],
      ['R_2', null, null, null, null, null, null, null, null, null],
      ['R_3', '', 2147483647, '-99999999999999.999999', '0001-01-01 00:00:00', false, '9999-12-31', -1e300, '-1', ''],
    ];
    assert.deepEqual(await statement.exec(rows), [1, 1, 1]);
    const read = await db.exec('SELECT * FROM "T" ORDER BY "ID"');
    const instant = format >= 4 ? '2026-11-24 06:07:08.123456700' : '2026-11-24T06:07:08.123';
    assert.equal(read.length, 3);
    assert.equal(read[0].TXT, 'grüße 😀 ok');
    assert.equal(read[0].N, -9);
    assert.equal(read[0].D, '12.340001');
    assert.equal(read[0].TS, instant);
    assert.equal(Boolean(read[0].B), true);
    assert.equal(read[0].DAY, '2026-11-24');
    assert.equal(read[0].X, 0.5);
    assert.equal(Number(read[0].BIG), 9_000_000_000);
    assert.equal(text(read[0].DOC), 'doc 😀');
    assert.deepEqual(new Set(Object.values(read[1]).slice(1)), new Set([null]));
    assert.equal(read[2].TXT, '');
    assert.equal(read[2].D, '-99999999999999.999999');
    assert.equal(text(read[2].DOC), '');
    await statement.drop();
  },

  async 'a second UPSERT of the same keys, other columns kept'({ db }) {
    const statement = await db.prepare('UPSERT "T" ("ID", "N") VALUES (?, ?) WITH PRIMARY KEY');
    assert.deepEqual(await statement.exec([['R_1', 7], ['R_4', 8]]), [1, 1]);
    const [row] = await db.exec(`SELECT "N", "TXT" FROM "T" WHERE "ID" = 'R_1'`);
    assert.deepEqual({ ...row }, { N: 7, TXT: 'grüße 😀 ok' });
  },

  async 'NCLOBs of 540,000 bytes, more than a packet'({ db }) {
    const statement = await db.prepare('UPSERT "T" ("ID", "DOC") VALUES (?, ?) WITH PRIMARY KEY');
    const bytes = iconv.encode(long, 'cesu8');
    assert.equal(await statement.exec(['L_1', bytes]), 1);
    assert.equal(await statement.exec(['L_2', iconv.encode('short', 'cesu8')]), 1);
    const read = await db.exec(`SELECT "DOC" FROM "T" WHERE "ID" LIKE 'L\\_%' ESCAPE '\\' ORDER BY "ID"`);
    assert.equal(text(read[0].DOC), long);
    assert.equal(text(read[1].DOC), 'short');
  },

  async 'a batch of 3,000 rows in several packets'({ db }) {
    await db.exec('CREATE COLUMN TABLE "M" ("ID" INTEGER PRIMARY KEY, "TXT" NVARCHAR(200))');
    const statement = await db.prepare('INSERT INTO "M" VALUES (?, ?)');
    const rows = Array.from({ length: 3_000 }, (_, id) => [id, `text ${'x'.repeat(100)}`]);
    const counts = await statement.exec(rows);
    assert.equal(counts.length, 3_000);
    const read = await db.exec('SELECT "ID" FROM "M" ORDER BY "ID"');
    assert.deepEqual(read.map((row) => row.ID), rows.map(([id]) => id));
  },

  async 'row counts of UPDATE, DELETE and MERGE'({ db }) {
    assert.equal(await db.exec('UPDATE "M" SET "TXT" = \'y\' WHERE "ID" < 10'), 10);
    assert.equal(await db.exec('DELETE FROM "M" WHERE "ID" >= 10'), 2_990);
    const merge = await db.prepare(`MERGE INTO "M" T USING (SELECT CAST(? AS INTEGER) AS ID, CAST(? AS NVARCHAR(200)) AS TXT FROM DUMMY) S
      ON T.ID = S.ID WHEN MATCHED AND T.TXT < S.TXT THEN UPDATE SET TXT = S.TXT WHEN NOT MATCHED THEN INSERT (ID, TXT) VALUES (S.ID, S.TXT)`);
    assert.deepEqual(await merge.exec([[1, 'z'], [1, 'a'], [99, 'new']]), [1, 0, 1]);
  },

  async 'errors with HANA\'s codes'({ db }) {
    for (const [sql, code] of [
      ['SELEC', 257],
      ['SELECT * FROM NOWHERE', 259],
      ['SELECT NOPE FROM "M"', 260],
      [`INSERT INTO "M" VALUES (1, 'x')`, 301],
      [`INSERT INTO "M" ("TXT") VALUES ('x')`, 287],
      [`INSERT INTO "M" VALUES ('x', 'x')`, 339],
      [`INSERT INTO "M" VALUES (5000, '${'x'.repeat(201)}')`, 274],
    ]) {
      await assert.rejects(db.exec(sql), (error) => error.code === code, `${sql}: ${code}`);
    }
    const statement = await db.prepare('INSERT INTO "M" VALUES (?, ?)');
    await assert.rejects(statement.exec([[7000, 'x'], [1, 'x'], [7001, 'x']]), (error) => error.code === 301);
  },

  async 'commit and rollback'({ db, other }) {
    db.autoCommit(false);
    await db.exec(`UPSERT "M" VALUES (8000, 'rolled back') WITH PRIMARY KEY`);
    assert.deepEqual(await other.exec('SELECT "ID" FROM "M" WHERE "ID" = 8000'), []);
    await db.rollback();
    assert.deepEqual(await db.exec('SELECT "ID" FROM "M" WHERE "ID" = 8000'), []);
    await db.exec(`UPSERT "M" VALUES (8001, 'kept') WITH PRIMARY KEY`);
    await db.commit();
    assert.equal((await other.exec('SELECT "TXT" FROM "M" WHERE "ID" = 8001'))[0].TXT, 'kept');
    db.autoCommit(true);
  },

  async 'a lock wait that ends with 131'({ db, other }) {
    db.autoCommit(false);
    await db.exec('UPDATE "M" SET "TXT" = \'mine\' WHERE "ID" = 8001');
    await assert.rejects(other.exec('UPDATE "M" SET "TXT" = \'theirs\' WHERE "ID" = 8001'), (error) => error.code === 131);
    await db.commit();
    db.autoCommit(true);
  },

  async 'session variables, ping, catalog'({ db }) {
    db.client.setClientInfo('APPLICATION', 'e2e');
    const [row] = await db.exec(`SELECT SESSION_CONTEXT('APPLICATION') AS A, CURRENT_USER AS U FROM DUMMY`);
    assert.deepEqual({ ...row }, { A: 'e2e', U: user });
    const columns = await db.exec(`SELECT COLUMN_NAME FROM SYS.TABLE_COLUMNS WHERE TABLE_NAME = 'M' ORDER BY POSITION`);
    assert.deepEqual(columns.map((column) => column.COLUMN_NAME), ['ID', 'TXT']);
    assert.equal(await new Promise((resolve) => db.client.isValid({}, resolve)), true);
  },
};

async function runAll(server, name, options) {
  const db = await connect(server, options);
  const other = await connect(server, options);
  let passed = 0;
  for (const [title, check] of Object.entries(checks)) {
    try {
      await check({ db, other, format: options.dataFormatSupport ?? 1 });
      passed += 1;
    } catch (error) {
      console.error(`${name}: ${title}: ${error?.stack}`);
    }
  }
  await Promise.all([db.close(), other.close()]);
  return passed;
}

async function wrongPassword(server) {
  await assert.rejects(connect(server, { password: 'wrong' }), (error) => error.code === 10);
}

async function cutConnection(server) {
  const db = await connect(server);
  assert.equal(await server.tell('cut@cut.me'), 'ok');
  await assert.rejects(db.exec('/* cut.me */ SELECT 1 FROM DUMMY'));
  assert.equal(await server.tell('clear'), 'ok');
  const again = await connect(server);
  assert.equal((await again.exec('SELECT 1 AS ONE FROM DUMMY'))[0].ONE, 1);
  await again.close();
}

const path = binary();
let failed = 0;
let passed = 0;
for (const method of ['scram-sha256', 'scram-pbkdf2-sha256']) {
  for (const dataFormatSupport of [1, 8]) {
    const name = `${method}, data format ${dataFormatSupport}`;
    const server = await start(path, ['--method', method, ...lockWait]);
    const good = await runAll(server, name, { dataFormatSupport });
    const all = Object.keys(checks).length;
    console.log(`${name}: ${good} of ${all} checks`);
    passed += good;
    failed += all - good;
    for (const check of [wrongPassword, cutConnection]) {
      try {
        await check(server);
        passed += 1;
      } catch (error) {
        console.error(`${name}: ${check.name}: ${error.stack}`);
        failed += 1;
      }
    }
    await server.stop();
  }
}
console.log(`node-hdb: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
