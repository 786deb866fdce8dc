/**
 * Plain text tables for a terminal.
 */

/** One column: its title and whether it holds figures, which stand to the right. */
export interface TableColumn {
  readonly title: string
  readonly align?: "left" | "right"
}

/** A table with a ruled head; cells are cut at `maximumWidth` characters. */
export const render = (
  columns: ReadonlyArray<TableColumn>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  maximumWidth = 60
): string => {
  const cells = rows.map((row) => columns.map((_, index) => cut(row[index] ?? "", maximumWidth)))
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => row[index]?.length ?? 0))
  )
  const line = (row: ReadonlyArray<string>) =>
    columns
      .map(({ align }, index) => {
        const width = widths[index] ?? 0
        return align === "right" ? (row[index] ?? "").padStart(width) : (row[index] ?? "").padEnd(width)
      })
      .join("  ")
      .trimEnd()
  const rule = widths.map((width) => "─".repeat(width)).join("  ")
  return [line(columns.map((column) => column.title)), rule, ...cells.map(line)].join("\n")
}

const cut = (text: string, width: number): string => (text.length <= width ? text : `${text.slice(0, width - 1)}…`)
