import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cli } from "../support/commandLine.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const header = "entity_id,entity_name,level_code,parent_id,start_date,end_date"
const engineering = "DEPT-ENG,Engineering,department,,2026-01-01,2026-03-01"
const renamed = "DEPT-ENG,Technology,department,,2026-03-01,"
const team = "TEAM-BACKEND,Backend,team,dept-eng,2025-06-01,2026-04-01"
const later = "TEAM-BACKEND,Platform,team,DEPT-ENG,2026-04-01,"

it.scopedLive("a hierarchy is imported whole, with its paths, or not at all", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const settings = { DATA_DIR: join(folder, "data"), ENVIRONMENT: "test" }
    const file = join(folder, "hierarchy.csv")
    const importLines = (...lines: ReadonlyArray<string>) => {
      writeFileSync(file, [header, ...lines].join("\n"))
      return cli(settings, "hierarchy", "import", file, "--org", "acme_corp", "--json")
    }
    const stored = Effect.map(
      cli(
        settings,
        "query",
        "--org",
        "acme_corp",
        "--json",
        "SELECT version, path, ARRAY_TO_STRING(path_names, ' > ') AS names, DATE(created_at) AS since, DATE(end_date) AS until, level FROM org_hierarchy ORDER BY path, version"
      ),
      ({ out }): unknown => JSON.parse(out)
    )

    const { failure, out } = yield* importLines(later, team, engineering, renamed)
    expect(failure).toBeUndefined()
    expect(JSON.parse(out)).toEqual({ versions: 4, entities: 2 })
    // A team older than its department has the department's first name; from April on the name that it has then.
    const four = [
      { version: 1, path: "/DEPT-ENG", names: "Engineering", since: "2026-01-01", until: "2026-03-01", level: 1 },
      { version: 2, path: "/DEPT-ENG", names: "Technology", since: "2026-03-01", until: null, level: 1 },
      {
        version: 1,
        path: "/DEPT-ENG/TEAM-BACKEND",
        names: "Engineering > Backend",
        since: "2025-06-01",
        until: "2026-04-01",
        level: 2
      },
      {
        version: 2,
        path: "/DEPT-ENG/TEAM-BACKEND",
        names: "Technology > Platform",
        since: "2026-04-01",
        until: null,
        level: 2
      }
    ]
    expect(yield* stored).toEqual(four)

    for (const [lines, reason] of [
      [[engineering, "dept-eng,Again,department,,2026-02-01,"], /line 3: start_date lies within .* on line 2/],
      [["a,A,team,nobody,2026-01-01,"], /line 2: parent_id nobody is no entity on 2026-01-01/],
      [[engineering, "a,A,team,DEPT-ENG,2026-03-01,"], /line 3: parent_id DEPT-ENG is no entity on 2026-03-01/],
      [["a,A,team,b,2026-01-01,", "b,B,team,a,2026-01-01,"], /line 2: parent_id leads above 20 levels, or in a circle/],
      [["a,,team,,2026-02-30,"], /line 2: entity_name is missing\nline 2: start_date is no day/],
      [["a,A,team,,2026-02-01,2026-02-01"], /line 2: end_date is not after start_date/],
      [["a/b,A,team,,2026-02-01,"], /line 2: entity_id has a slash/],
      [["a,A,team,,2026-02-01"], /line 2: has 5 cells, the header 6/]
    ] as const) {
      expect((yield* importLines(...lines)).failure).toMatch(reason)
    }
    expect(yield* stored).toEqual(four)

    // The file is all there is.
    expect((yield* importLines(renamed)).failure).toBeUndefined()
    expect(yield* stored).toMatchObject([{ names: "Technology", version: 1 }])
  })
)
