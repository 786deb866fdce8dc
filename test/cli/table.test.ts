import { expect, it } from "@effect/vitest"
import { table } from "../../src/cli/table.ts"

it("columns are as wide as their longest cell, figures stand to the right, absent values are dashes", () => {
  expect(
    `\n${table(
      ["name", "cost", "end"],
      [
        ["EC2", "1,234.50", undefined],
        ["Simple Storage", "-7.00", undefined],
        ["S3", undefined, undefined]
      ]
    )}`
  ).toBe(`
NAME                COST  END
EC2             1,234.50  -
Simple Storage     -7.00  -
S3                     -  -`)
})

it("a stored name cannot write to the terminal", () => {
  expect(table(["name"], [["\u001b[2Jevil\nline"]])).toBe("NAME\n?[2Jevil?line")
})
