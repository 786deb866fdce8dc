/**
 * What a request may look like before anything else is asked about it: size and characters of its headers, its path, its announced body.
 */
import { type ApiError, apiError } from "./Errors.ts"

/** All headers together, names and values. */
export const maximumHeadersBytes = 8 * 1024
/** One header's value. */
export const maximumHeaderBytes = 4 * 1024
/** A request body. */
export const maximumBodyBytes = 10 * 1024 * 1024

const runPathPrefix = "/api/v1/pipelines/run/"
const runPath = /^\/api\/v1\/pipelines\/run\/[^/]+(\/[a-zA-Z0-9_]{1,50}){3,4}$/

/** The fault of a request's line and headers, if it has one. `rawHeaders` alternates names and values as they were sent. */
export const faultOf = (request: {
  readonly method: string
  readonly url: string
  readonly rawHeaders: ReadonlyArray<string>
}): ApiError | undefined => faultOfHeaders(request.rawHeaders) ?? faultOfPath(request.method, pathOf(request.url))

/** The path of a request's target, without its query. */
export const pathOf = (url: string): string => {
  const end = url.indexOf("?")
  return end === -1 ? url : url.slice(0, end)
}

const faultOfHeaders = (rawHeaders: ReadonlyArray<string>): ApiError | undefined => {
  let total = 0
  let hosts = 0
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ""
    const value = rawHeaders[index + 1] ?? ""
    if (value.length > maximumHeaderBytes) {
      return apiError("INVALID_HEADERS", `header ${name.slice(0, 100)} has more than ${maximumHeaderBytes} bytes`)
    }
    if (hasControlCharacter(value)) return apiError("INVALID_HEADERS", "a header holds a control character")
    total += name.length + value.length
    const lower = name.toLowerCase()
    if (lower === "host") hosts++
    if (lower === "content-length" && Number(value) > maximumBodyBytes) return bodyTooLarge()
  }
  if (total > maximumHeadersBytes) {
    return apiError("INVALID_HEADERS", `the headers have more than ${maximumHeadersBytes} bytes`)
  }
  return hosts === 1 ? undefined : apiError("INVALID_HEADERS", "a request needs exactly one Host header")
}

/** The answer to a body that is too long. */
export const bodyTooLarge = (): ApiError =>
  apiError("PAYLOAD_TOO_LARGE", `the body has more than ${maximumBodyBytes} bytes`)

const faultOfPath = (method: string, path: string): ApiError | undefined => {
  const decoded = decode(path)
  if (
    decoded === undefined ||
    decoded.includes("..") ||
    decoded.includes("//") ||
    decoded.includes("\\") ||
    // The router would leave out what follows it.
    path.includes(";") ||
    hasControlCharacter(decoded)
  ) {
    return apiError("INVALID_PARAMETER", "the path holds one of .. // \\ ; or a character that no path may hold")
  }
  if (method === "POST" && path.startsWith(runPathPrefix) && !runPath.test(path)) {
    return apiError(
      "INVALID_PATH",
      "a pipeline is category/domain/pipeline or category/provider/domain/pipeline, each part 1 to 50 of a-z, A-Z, 0-9 and _"
    )
  }
  return undefined
}

const decode = (path: string): string | undefined => {
  if (!path.includes("%")) return path
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

const hasControlCharacter = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true
  }
  return false
}
