/**
 * Rows for a person to read: columns as wide as their longest cell.
 */

const COLUMN_GAP = "  "

/** The headers in upper case, then one line per row; an absent value is a dash. */
export const table = (
  headers: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string | number | undefined>>
): string => {
  const lines = [headers.map((header) => header.toUpperCase()), ...rows.map((row) => row.map(cell))]
  const widths = headers.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join(COLUMN_GAP)
        .trimEnd()
    )
    .join("\n")
}

const cell = (value: string | number | undefined): string => (value === undefined ? "-" : printable(String(value)))

/** A name somebody stored must not move the cursor of whoever lists it. */
const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, "?")
