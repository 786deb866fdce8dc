/**
 * The text of a page, cut into the texts of its buckets. A page of many keys and models that is parsed at once takes many times its size.
 */

/** A page: each element of the array `data` as text, and the page with an empty one in its place. */
export interface CutPage {
  readonly elements: ReadonlyArray<string>
  readonly rest: string
}

const codes = { quote: 34, comma: 44, bracket: 91, bracketEnd: 93, brace: 123, braceEnd: 125 } as const

/** Cuts JSON text; text without a top-level `data` array stays whole. What is no JSON stays none, in an element or the rest. */
export const cut = (text: string): CutPage => {
  const elements: Array<string> = []
  let [depth, begin, from] = [0, -1, 0]
  let key = ""
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === codes.quote) {
      const end = endOfText(text, at)
      // The last text before a bracket in an object is its name.
      if (depth === 1) key = text.slice(at + 1, end)
      at = end
    } else if (code === codes.bracket || code === codes.brace) {
      depth++
      if (depth === 2 && begin < 0 && code === codes.bracket && key === "data") [begin, from] = [at, at + 1]
    } else if (code === codes.bracketEnd || code === codes.braceEnd) {
      depth--
      if (begin < 0 || depth > 1) continue
      const last = text.slice(from, at)
      if (elements.length > 0 || last.trim() !== "") elements.push(last)
      return { elements, rest: `${text.slice(0, begin)}[]${text.slice(at + 1)}` }
    } else if (code === codes.comma && begin >= 0 && depth === 2) {
      elements.push(text.slice(from, at))
      from = at + 1
    }
  }
  return { elements: [], rest: text }
}

/** Where the text that begins here ends; the last place when it does not. */
const endOfText = (text: string, start: number): number => {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text[at - 1 - slashes] === "\\") slashes++
    if (slashes % 2 === 0) return at
  }
  return text.length
}
