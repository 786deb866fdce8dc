#!/usr/bin/env node
/**
 * The process: what must be set before the program is loaded, then the command line.
 */
import { enableCompileCache } from "node:module"
import { join } from "node:path"
import { allocatorEnvironment } from "./platform/Allocator.ts"

// Half of a start is compiling. What the last process compiled lies beside the packages; where that cannot be written, nothing is kept.
enableCompileCache(join(import.meta.dirname, "../node_modules/.cache/pipeline-service"))
Object.assign(process.env, { ...allocatorEnvironment, ...process.env })
await import("./cli/main.ts")
