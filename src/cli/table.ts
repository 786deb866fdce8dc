/**
 * Rows for a person to read: columns as wide as their longest cell.
 */

const COLUMN_GAP = "  "

/** The headers in upper case, then one line per row; an absent value is a dash, a column of figures stands to the right. */
export const table = (
  headers: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string | number | undefined>>
): string => {
  const lines = [headers.map((header) => header.toUpperCase()), ...rows.map((row) => row.map(cell))]
  const isFigures = headers.map((_, column) => {
    const given = rows.flatMap((row) => (row[column] === undefined ? [] : [String(row[column])]))
    return given.length > 0 && given.every((text) => figure.test(text))
  })
  const widths = headers.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((text, column) => {
          const width = widths[column] ?? 0
          return isFigures[column] === true ? text.padStart(width) : text.padEnd(width)
        })
        .join(COLUMN_GAP)
        .trimEnd()
    )
    .join("\n")
}

const figure = /^-?[\d,]+(\.\d+)?$/

const cell = (value: string | number | undefined): string => (value === undefined ? "-" : printable(String(value)))

/** A name somebody stored must not move the cursor of whoever lists it. */
const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, "?")
