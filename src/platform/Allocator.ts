/**
 * What the embedded warehouse's memory allocator is told. It reads its environment when its library is loaded, so this comes before every
 * import of the warehouse.
 */

/**
 * One arena for all threads, and freed pages go back to the system soon: by default they stay for seconds, on top of the warehouse's limit.
 * Pages that went back at once would be asked for again by the next vector or block, for a third of the time of a conversion.
 */
export const allocatorEnvironment = {
  DUCKDB_JE_MALLOC_CONF: "dirty_decay_ms:200,muzzy_decay_ms:0,narenas:1"
} as const
