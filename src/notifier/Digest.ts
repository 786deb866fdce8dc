/**
 * Several messages of one rule as one, and what a message says when nobody has acknowledged it.
 */
import type { Message, Severity } from "./Message.ts"

const bySeverity: ReadonlyArray<Severity> = ["info", "warning", "error", "critical"]
/** Messages that are told with their text; the others are counted. */
const MAX_TOLD = 20

/** The messages as one, in their order; one alone stays as it is. */
export const digestOf = (messages: readonly [Message, ...ReadonlyArray<Message>]): Message => {
  const [first] = messages
  if (messages.length === 1) return first
  const told = messages.slice(0, MAX_TOLD)
  const most = Math.max(...messages.map(({ severity }) => bySeverity.indexOf(severity)))
  return {
    title: `${messages.length} messages: ${first.title}, ...`,
    severity: bySeverity[most] ?? first.severity,
    text: [
      ...told.map(({ link, text, title }) => [title, ...text, ...(link === undefined ? [] : [link.url])].join("\n")),
      ...(messages.length > told.length ? [`and ${messages.length - told.length} more`] : [])
    ],
    facts: [],
    data: { messages: messages.map(({ data, title }) => ({ title, ...data })) }
  }
}

/** What those are told who come next when nobody has taken care. */
export const unacknowledged = (message: Message): Message => ({
  ...message,
  title: `Not acknowledged: ${message.title}`
})

/** The message with how to take care of it, for a rule that would tell others else. */
export const toAcknowledge = (message: Message, notificationId: string, before: number): Message => ({
  ...message,
  facts: [
    ...message.facts,
    ["Acknowledge before", new Date(before).toISOString()],
    ["Acknowledge by", `pipeline-service notifications acknowledge ${notificationId}`]
  ]
})
