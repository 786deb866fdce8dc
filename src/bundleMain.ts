#!/usr/bin/env node
/**
 * The process of the bundle, in place of `main.ts`. Half of a start would be compiling, so what a process has compiled in its first seconds lies
 * beside the packages for the next one with the same command. Node's own cache has what is compiled before a program runs: few of its functions.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Script } from "node:vm"
import { allocatorEnvironment } from "./platform/Allocator.ts"

/** The file with the program, beside this one; another program has another name. `bundle.ts` puts it in. */
declare const programFile: string

const startMilliseconds = 10_000

const program = join(import.meta.dirname, programFile)
const folder = join(import.meta.dirname, "../node_modules/.cache/pipeline-service")

const load = () => {
  const command = /^\w+$/.exec(process.argv[2] ?? "")?.[0] ?? "help"
  const compiled = join(folder, `${programFile}-${command}`)
  const script = new Script(readFileSync(program, "latin1"), { filename: program, cachedData: read(compiled) })
  if (script.cachedDataRejected !== false) keep(script, compiled)
  return script
}

const read = (file: string) => {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

/** Where it cannot be written, nothing is kept. */
const keep = (script: Script, file: string) => {
  const write = (code: number) => {
    if (code !== 0) return
    try {
      mkdirSync(folder, { recursive: true })
      writeFileSync(`${file}-${process.pid}`, script.createCachedData())
      renameSync(`${file}-${process.pid}`, file)
    } catch {}
  }
  process.once("exit", write)
  setTimeout(() => process.off("exit", write) && write(0), startMilliseconds).unref()
}

/**
 * Effect asks for the functions of a stack trace when it is evaluated. Without places V8 need not count the lines of the whole program, for
 * which it takes a hundredth of a start.
 */
const withoutPlaces = (run: () => void) => {
  const before = Error.prepareStackTrace
  Error.prepareStackTrace = (_error, sites) => sites.map((site) => site.getFunctionName()).join("\n")
  try {
    run()
  } finally {
    Error.prepareStackTrace = before
  }
}

Object.assign(process.env, { ...allocatorEnvironment, ...process.env })
withoutPlaces(() => load().runInThisContext()(createRequire(program), import.meta.dirname, pathToFileURL(program).href))
