/**
 * The part of an installation that BigQuery has, wired: what several services share in its central dataset.
 */
import * as Layer from "effect/Layer"
import * as CredentialsBigQuery from "./credentials/CredentialsBigQuery.ts"
import * as HierarchiesBigQuery from "./hierarchy/HierarchiesBigQuery.ts"
import * as ChannelsBigQuery from "./notifier/ChannelsBigQuery.ts"
import * as NotifierServices from "./notifier/NotifierServices.ts"
import * as OrganizationsBigQuery from "./organizations/OrganizationsBigQuery.ts"
import * as CentralDatasetBigQuery from "./warehouse/bigquery/CentralDatasetBigQuery.ts"

/** Organisations, keys, credentials and channels. */
export const accounts = Layer.mergeAll(
  OrganizationsBigQuery.layer,
  CredentialsBigQuery.layer,
  NotifierServices.channelsOn(ChannelsBigQuery.layer)
).pipe(Layer.provide(CentralDatasetBigQuery.layer))

/** The hierarchies. */
export const hierarchies = HierarchiesBigQuery.layer.pipe(Layer.provide(CentralDatasetBigQuery.layer))
