/**
 * The procedural language: what procedures are written in.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as GoogleSql from "../../../src/warehouse/googlesql/GoogleSql.ts"
import { errorOf, openSession, rowOf, rowsOf } from "./fixture.ts"

describe("scripts", () => {
  it.effect("keeps a variable's type and value, and lets a column of the same name win", () =>
    Effect.gen(function* () {
      expect(
        yield* rowOf(
          "DECLARE price BIGNUMERIC DEFAULT BIGNUMERIC '0.000000000001'; DECLARE day DATE DEFAULT '2024-02-29'; SET price = price * 3; SELECT price, DATE_ADD(day, INTERVAL 1 YEAR) AS d"
        )
      ).toEqual(["0.000000000003000000000000", "2025-02-28"])
      expect(
        yield* rowsOf("DECLARE id INT64 DEFAULT 9; SELECT id, (SELECT id) AS again FROM (SELECT 1 AS id)")
      ).toEqual([["1", "1"]])
    })
  )

  it.effect("runs dynamic SQL with named and positional parameters and INTO", () =>
    Effect.gen(function* () {
      const script = `
        DECLARE total INT64; DECLARE word STRING;
        CREATE TEMP TABLE numbers AS SELECT x FROM UNNEST(GENERATE_ARRAY(1, 10)) AS x;
        EXECUTE IMMEDIATE FORMAT("""SELECT SUM(x), %T FROM %s WHERE x > @low AND x < @high""", 'it', 'numbers')
          INTO total, word USING 2 AS low, 6 AS high;
        EXECUTE IMMEDIATE 'DELETE FROM numbers WHERE x > ? OR x < ?' USING 5, 2;
        SELECT total, word, @@row_count AS deleted, (SELECT COUNT(*) FROM numbers) AS n`
      expect(yield* rowOf(script)).toEqual(["12", "it", "6", "4"])
    })
  )

  it.effect(
    "knows the columns of a table that was made anew, also by dynamic SQL, or is what it was before a rollback",
    () =>
      Effect.gen(function* () {
        const script = (change: string) => `
        CREATE TABLE t AS SELECT 1 AS a, 'x' AS b;
        SELECT * FROM t;
        ${change}
        SELECT * EXCEPT (a) FROM t`
        expect(yield* rowOf(script("CREATE OR REPLACE TABLE t AS SELECT 2 AS a, 3 AS c, 'z' AS d;"))).toEqual([
          "3",
          "z"
        ])
        expect(yield* rowOf(script("EXECUTE IMMEDIATE 'CREATE OR REPLACE TABLE t AS SELECT 4 AS c, 2 AS a';"))).toEqual(
          ["4"]
        )
        expect(
          yield* rowOf(
            script(
              `BEGIN TRANSACTION; CREATE TEMP TABLE t AS SELECT 5 AS a, 6 AS c; SELECT * FROM t; ROLLBACK TRANSACTION;`
            )
          )
        ).toEqual(["x"])
        expect((yield* errorOf(script("DROP TABLE t;"))).message).toMatch(/t/)
      })
  )

  it.effect("hands errors to the handler, which may raise them with context", () =>
    Effect.gen(function* () {
      expect(yield* rowOf("BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN SELECT @@error.message AS m; END")).toEqual([
        "division by zero: 1 / 0"
      ])
      const error = yield* errorOf(
        "BEGIN RAISE USING MESSAGE = 'inner'; EXCEPTION WHEN ERROR THEN RAISE USING MESSAGE = CONCAT('outer: ', @@error.message); END"
      )
      expect(error._tag).toBe("StatementFailed")
      expect(error.message).toContain("outer: inner")
      expect(
        (yield* errorOf("BEGIN RAISE USING MESSAGE = 'same'; EXCEPTION WHEN ERROR THEN RAISE; END")).message
      ).toContain("same")
      expect((yield* errorOf("ASSERT 1 > 2 AS 'one is less'")).message).toContain("one is less")
    })
  )

  it.effect("never hides what it cannot do behind a handler", () =>
    Effect.gen(function* () {
      const error = yield* errorOf("BEGIN SELECT ST_GEOGPOINT(1, 2); EXCEPTION WHEN ERROR THEN SELECT 1; END")
      expect(error._tag).toBe("UnsupportedSql")
    })
  )

  it.effect("rolls a transaction back on an error, in the handler or at the end of the script", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const session = yield* openSession
        const run = (script: string) => GoogleSql.runScript(session, script)
        yield* run("CREATE TABLE ledger (id INT64)")
        const broken = `
          BEGIN
            BEGIN TRANSACTION;
            INSERT INTO ledger VALUES (1);
            RAISE USING MESSAGE = 'no';
            COMMIT TRANSACTION;
          EXCEPTION WHEN ERROR THEN
            ROLLBACK TRANSACTION;
            RAISE USING MESSAGE = CONCAT('rolled back: ', @@error.message);
          END`
        expect((yield* Effect.flip(run(broken))).message).toContain("rolled back: no")
        expect(
          (yield* Effect.flip(run(broken.replace("RAISE USING MESSAGE = 'no'", "INSERT INTO ledger SELECT DIV(1, 0)"))))
            .message
        ).toContain("rolled back: division by zero")
        yield* Effect.flip(run("BEGIN TRANSACTION; INSERT INTO ledger VALUES (2); SELECT 1 / 0"))
        yield* run("BEGIN TRANSACTION; INSERT INTO ledger VALUES (3)")
        yield* run("BEGIN TRANSACTION; INSERT INTO ledger VALUES (4); COMMIT TRANSACTION")
        const rows = yield* run("SELECT id FROM ledger ORDER BY id")
        expect(rows.rows).toEqual([[4n]])
      })
    )
  )

  it.effect("calls procedures with OUT arguments, from its own store and from the session", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const session = yield* openSession
        const text =
          "CREATE OR REPLACE PROCEDURE `p.d.twice`(IN x INT64, OUT y INT64) BEGIN IF x < 0 THEN SET y = 0; RETURN; END IF; SET y = x * 2; END;"
        const stored: GoogleSql.SqlSession = {
          ...session,
          procedure: (path) => Effect.succeed(path.at(-1) === "twice" ? text : undefined)
        }
        const rows = yield* GoogleSql.runScript(
          stored,
          "DECLARE a, b INT64; CALL p.d.twice(21, a); CALL p.d.twice(-1, b); SELECT a, b"
        )
        expect(rows.rows).toEqual([[42n, 0n]])
        const definition = GoogleSql.parseProcedure("twice.sql", text)
        expect(
          Either.map(definition, ({ path, parameters }) => [
            path,
            parameters.map(({ name, mode }) => `${mode} ${name}`)
          ])
        ).toEqual(
          Either.right([
            ["p", "d", "twice"],
            ["IN x", "OUT y"]
          ])
        )
        yield* GoogleSql.runScript(session, "CREATE PROCEDURE own() BEGIN SELECT 'own' AS who; END")
        expect((yield* GoogleSql.runScript(session, "CALL own()")).rows).toEqual([["own"]])
      })
    )
  )

  it.effect("loops, with labels and bounds", () =>
    Effect.gen(function* () {
      const script = `
        DECLARE sum, i INT64 DEFAULT 0;
        FOR item IN (SELECT x, x * x AS square FROM UNNEST([3, 1, 2]) AS x ORDER BY x) DO
          IF item.x = 2 THEN CONTINUE; END IF;
          SET sum = sum * 10 + item.square;
        END FOR;
        outer_loop: LOOP
          WHILE TRUE DO SET i = i + 1; IF i > 4 THEN LEAVE outer_loop; END IF; END WHILE;
        END LOOP;
        SELECT sum, i`
      expect(yield* rowOf(script)).toEqual(["19", "5"])
    })
  )

  it.effect("merges and updates once per target row, or fails", () =>
    Effect.gen(function* () {
      const setup = "CREATE TABLE t (id INT64, v STRING); INSERT INTO t VALUES (1, 'a'), (2, 'b');"
      const merge = (source: string) =>
        `${setup} MERGE t USING (${source}) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v) WHEN NOT MATCHED BY SOURCE THEN DELETE; SELECT * FROM t ORDER BY id`
      expect(yield* rowsOf(merge("SELECT 2 AS id, 'B' AS v UNION ALL SELECT 3, 'C'"))).toEqual([
        ["2", "B"],
        ["3", "C"]
      ])
      expect((yield* errorOf(merge("SELECT 2 AS id, 'B' AS v UNION ALL SELECT 2, 'C'"))).message).toContain(
        "at most one source row"
      )
      expect(
        (yield* errorOf(
          `${setup} UPDATE t SET v = s.v FROM (SELECT 1 AS id, v FROM UNNEST(['x', 'y']) AS v) AS s WHERE s.id = t.id`
        )).message
      ).toContain("at most one source row")
    })
  )

  it.effect("binds parameters as values of their type, never as text of the statement", () =>
    Effect.gen(function* () {
      const sql =
        "SELECT @s AS s, @n * 2 AS n, @d > CURRENT_DATE() AS d, @none IS NULL AS none, ARRAY_LENGTH(@list) AS l"
      expect(
        yield* rowOf(sql, {
          s: { type: "STRING", value: "it's; DROP TABLE t --" },
          n: { type: "BIGNUMERIC", value: "0.000000000000000000000001" },
          d: { type: "DATE", value: "2024-01-01" },
          none: { type: "STRING", value: null },
          list: { type: "ARRAY<STRING>", value: '["a","b"]' }
        })
      ).toEqual(["it's; DROP TABLE t --", "0.000000000000000000000002", "true", "true", "2"])
    })
  )

  it.effect("lets nobody read or write another tenant's tables, in plain or in dynamic SQL", () =>
    Effect.gen(function* () {
      for (const script of [
        "SELECT * FROM other.bills",
        "SELECT * FROM `other.bills`",
        "INSERT INTO other.bills VALUES (1)",
        "EXECUTE IMMEDIATE 'SELECT * FROM other.bills'",
        "BEGIN DELETE FROM other.bills WHERE TRUE; EXCEPTION WHEN ERROR THEN SELECT 1; END",
        "CREATE TABLE other.bills AS SELECT 1 AS x",
        "SELECT * FROM other.INFORMATION_SCHEMA.TABLES",
        "SELECT (SELECT COUNT(*) FROM other.bills) AS n"
      ]) {
        expect((yield* errorOf(script))._tag, script).toBe("OtherTenant")
      }
    })
  )
})
