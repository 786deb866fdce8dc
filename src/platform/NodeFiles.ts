/**
 * Files and paths by Node. What else Effect has of Node, such as terminals and processes, only the command line needs.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Layer from "effect/Layer"

/** `FileSystem` and `Path`. */
export const layer = Layer.merge(NodeFileSystem.layer, NodePath.layer)
