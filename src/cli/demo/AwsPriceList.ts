/**
 * The invented price list of the demo: services, regions and prices in AWS's spelling. Rates are integers of 10^-10 US dollars.
 */

/** What a resource of a service costs per unit, and how much of it a resource uses in a day (in thousandths of the unit). */
export interface Service {
  readonly code: string
  readonly name: string
  readonly family: string
  readonly usageType: string
  readonly operation: string
  readonly unit: string
  readonly rate: bigint
  readonly dailyQuantity: bigint
  readonly description: string
  readonly resource: (id: string, region: string, account: string) => string
  readonly instanceType?: string
  readonly attributes?: Readonly<Record<string, string>>
  /** Of 100 resources, how many are of this service. */
  readonly share: number
}

/** `pricePercent` is the region's price level, the first region being 100. */
export interface Region {
  readonly code: string
  readonly location: string
  readonly prefix: string
  readonly pricePercent: bigint
}

export const regions: readonly [Region, ...ReadonlyArray<Region>] = [
  { code: "us-east-1", location: "US East (N. Virginia)", prefix: "", pricePercent: 100n },
  { code: "us-west-2", location: "US West (Oregon)", prefix: "USW2-", pricePercent: 100n },
  { code: "eu-west-1", location: "EU (Ireland)", prefix: "EU-", pricePercent: 111n },
  { code: "eu-central-1", location: "EU (Frankfurt)", prefix: "EUC1-", pricePercent: 120n },
  { code: "ap-southeast-2", location: "Asia Pacific (Sydney)", prefix: "APS2-", pricePercent: 125n }
]

const perHour = { operation: "RunInstances", unit: "Hrs", dailyQuantity: 24_000n }
const linux = { operatingSystem: "Linux", tenancy: "Shared" }

export const instance: Service = {
  ...perHour,
  code: "AmazonEC2",
  name: "Amazon Elastic Compute Cloud",
  family: "Compute Instance",
  usageType: "BoxUsage:m6i.large",
  rate: 960_000_000n,
  description: "per On Demand Linux m6i.large Instance Hour",
  instanceType: "m6i.large",
  attributes: { ...linux, vcpu: "2", memory: "8 GiB", instanceTypeFamily: "m6i" },
  resource: (id) => `i-${id}`,
  share: 14
}

export const database: Service = {
  code: "AmazonRDS",
  name: "Amazon Relational Database Service",
  family: "Database Instance",
  usageType: "InstanceUsage:db.r6g.large",
  operation: "CreateDBInstance:0014",
  unit: "Hrs",
  rate: 2_250_000_000n,
  dailyQuantity: 24_000n,
  description: "RDS db.r6g.large Single-AZ instance hour running PostgreSQL",
  instanceType: "db.r6g.large",
  attributes: { vcpu: "2", memory: "16 GiB", databaseEngine: "PostgreSQL" },
  resource: (id, region, account) => `arn:aws:rds:${region}:${account}:db:orders-${id.slice(0, 6)}`,
  share: 6
}

export const services: readonly [Service, ...ReadonlyArray<Service>] = [
  instance,
  database,
  {
    ...instance,
    family: "Storage",
    usageType: "EBS:VolumeUsage.gp3",
    operation: "CreateVolume-Gp3",
    unit: "GB-Mo",
    rate: 800_000_000n,
    dailyQuantity: 3_226n,
    description: "$0.08 per GB-month of General Purpose (gp3) provisioned storage",
    instanceType: "",
    attributes: { volumeApiName: "gp3" },
    resource: (id) => `vol-${id}`,
    share: 16
  },
  {
    code: "AmazonS3",
    name: "Amazon Simple Storage Service",
    family: "Storage",
    usageType: "TimedStorage-ByteHrs",
    operation: "StandardStorage",
    unit: "GB-Mo",
    rate: 230_000_000n,
    dailyQuantity: 41_700n,
    description: "$0.023 per GB - first 50 TB / month of storage used",
    attributes: { storageClass: "General Purpose" },
    resource: (id) => `acme-${id.slice(0, 8)}`,
    share: 12
  },
  {
    code: "AWSLambda",
    name: "AWS Lambda",
    family: "Serverless",
    usageType: "Lambda-GB-Second",
    operation: "Invoke",
    unit: "Lambda-GB-Second",
    rate: 166_700n,
    dailyQuantity: 86_400_000n,
    description: "AWS Lambda - Total Compute",
    resource: (id, region, account) => `arn:aws:lambda:${region}:${account}:function:job-${id.slice(0, 6)}`,
    share: 12
  },
  {
    code: "AmazonDynamoDB",
    name: "Amazon DynamoDB",
    family: "Amazon DynamoDB PayPerRequest Throughput",
    usageType: "ReadRequestUnits",
    operation: "PayPerRequestThroughput",
    unit: "ReadRequestUnits",
    rate: 1_300n,
    dailyQuantity: 4_000_000_000n,
    description: "$0.125 per million read request units",
    resource: (id, region, account) => `arn:aws:dynamodb:${region}:${account}:table/t-${id.slice(0, 6)}`,
    share: 8
  },
  {
    code: "AmazonCloudFront",
    name: "Amazon CloudFront",
    family: "Data Transfer",
    usageType: "DataTransfer-Out-Bytes",
    operation: "GET",
    unit: "GB",
    rate: 850_000_000n,
    dailyQuantity: 9_500n,
    description: "$0.085 per GB - first 10 TB / month data transfer out",
    resource: (id, _region, account) => `arn:aws:cloudfront::${account}:distribution/E${id.slice(0, 12).toUpperCase()}`,
    share: 5
  },
  {
    code: "AWSDataTransfer",
    name: "AWS Data Transfer",
    family: "Data Transfer",
    usageType: "DataTransfer-Regional-Bytes",
    operation: "InterZone-Out",
    unit: "GB",
    rate: 100_000_000n,
    dailyQuantity: 23_400n,
    description: "$0.010 per GB - regional data transfer - in/out/between EC2 AZs",
    resource: (id) => `i-${id}`,
    share: 6
  },
  {
    code: "AmazonCloudWatch",
    name: "AmazonCloudWatch",
    family: "Metric",
    usageType: "CW:MetricMonitorUsage",
    operation: "MetricStorage",
    unit: "Metrics",
    rate: 3_000_000_000n,
    dailyQuantity: 420n,
    description: "$0.30 per metric-month for the first 10,000 metrics",
    resource: () => "",
    share: 6
  },
  {
    code: "AWSQueueService",
    name: "Amazon Simple Queue Service",
    family: "API Request",
    usageType: "Requests-RBP",
    operation: "SendMessage",
    unit: "Requests",
    rate: 4_000n,
    dailyQuantity: 900_000_000n,
    description: "$0.40 per million Amazon SQS standard requests",
    resource: (id, region, account) => `arn:aws:sqs:${region}:${account}:q-${id.slice(0, 6)}`,
    share: 5
  },
  {
    code: "AmazonEKS",
    name: "Amazon Elastic Container Service for Kubernetes",
    family: "Compute",
    usageType: "AmazonEKS-Hours:perCluster",
    operation: "CreateOperation",
    unit: "Hrs",
    rate: 1_000_000_000n,
    dailyQuantity: 24_000n,
    description: "Amazon EKS cluster usage",
    resource: (id, region, account) => `arn:aws:eks:${region}:${account}:cluster/c-${id.slice(0, 6)}`,
    share: 3
  },
  {
    code: "AmazonElastiCache",
    name: "Amazon ElastiCache",
    family: "Cache Instance",
    usageType: "NodeUsage:cache.r6g.large",
    operation: "CreateCacheCluster:0002",
    unit: "Hrs",
    rate: 2_060_000_000n,
    dailyQuantity: 24_000n,
    description: "$0.206 per hour for cache.r6g.large Redis",
    instanceType: "cache.r6g.large",
    attributes: { vcpu: "2", memory: "13.07 GiB", cacheEngine: "Redis" },
    resource: (id, region, account) => `arn:aws:elasticache:${region}:${account}:cluster:r-${id.slice(0, 6)}`,
    share: 4
  },
  {
    code: "awskms",
    name: "AWS Key Management Service",
    family: "Encryption Key",
    usageType: "KMS-Requests",
    operation: "Decrypt",
    unit: "Requests",
    rate: 30_000n,
    dailyQuantity: 51_000_000n,
    description: "$0.03 per 10,000 KMS requests",
    resource: (id, region, account) => `arn:aws:kms:${region}:${account}:key/${id}`,
    share: 3
  }
]
