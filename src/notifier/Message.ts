/**
 * What is told, apart from how: one message is rendered as text, HTML, Slack blocks or JSON. Values come from tenants and providers, so
 * each form escapes them in its own way.
 */
import * as Schema from "effect/Schema"
import { JsonObject } from "../platform/Json.ts"

export const Severity = Schema.Literal("info", "warning", "error", "critical")
export type Severity = typeof Severity.Type

const Fact = Schema.Tuple(Schema.String, Schema.String)

/** One message, as the log keeps it. */
export const Message = Schema.Struct({
  title: Schema.String,
  severity: Severity,
  /** Paragraphs: what happened, and why. */
  text: Schema.Array(Schema.String),
  /** What the reader can do about it. */
  action: Schema.optionalWith(Schema.String, { exact: true }),
  /** Label and value, in order. */
  facts: Schema.Array(Fact),
  link: Schema.optionalWith(Schema.Struct({ label: Schema.String, url: Schema.String }), { exact: true }),
  /** For programs that receive a webhook. */
  data: Schema.optionalWith(JsonObject, { exact: true })
})
export type Message = typeof Message.Type

const maximumSubjectCharacters = 200
/** Slack refuses longer texts: a header has 150 characters, a section 3000, a field 2000, and there are at most 10 fields. */
const maximumHeaderCharacters = 150
const maximumSectionCharacters = 2900
const maximumFieldCharacters = 1900
const maximumFields = 10

/** One line without control characters: safe in a header. */
export const oneLine = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ")
    .trim()
    .slice(0, maximumSubjectCharacters)

/** The text form. */
export const toText = (message: Message): string =>
  [
    oneLine(message.title),
    ...message.text,
    ...(message.action === undefined ? [] : [`What to do: ${message.action}`]),
    message.facts.map(([label, value]) => `${label}: ${value}`).join("\n"),
    ...(message.link === undefined ? [] : [`${message.link.label}: ${message.link.url}`])
  ]
    .filter((part) => part !== "")
    .join("\n\n")

const colors: Readonly<Record<Severity, string>> = {
  info: "#2563eb",
  warning: "#d97706",
  error: "#dc2626",
  critical: "#7f1d1d"
}

const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`).replaceAll("\n", "<br>")

/** The HTML form: one page with its styles in place, as mail programs want it. */
export const toHtml = (message: Message): string => {
  const paragraphs = message.text.map((text) => `<p>${escapeHtml(text)}</p>`).join("\n")
  const action = message.action === undefined ? "" : `<p><b>What to do:</b> ${escapeHtml(message.action)}</p>`
  const rows = message.facts
    .map(
      ([label, value]) =>
        `<tr><td style="padding:2px 16px 2px 0;color:#555">${escapeHtml(label)}</td><td>${escapeHtml(value)}</td></tr>`
    )
    .join("\n")
  const link =
    message.link === undefined
      ? ""
      : `<p><a href="${escapeHtml(message.link.url)}">${escapeHtml(message.link.label)}</a></p>`
  return `<!doctype html>
<html><body style="font-family:sans-serif;font-size:14px;color:#111">
<h2 style="color:${colors[message.severity]};font-size:18px">${escapeHtml(message.title)}</h2>
${paragraphs}
${action}
<table style="border-collapse:collapse">
${rows}
</table>
${link}
</body></html>`
}

const escapeSlack = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** Escapes after cutting, so that no escape is cut in two; an escape makes a character up to five long. */
const slackText = (text: string, maximum: number): string => escapeSlack(text.slice(0, Math.floor(maximum / 5)))

/** The body of a Slack webhook. `mentions` are already in Slack's own form (`<!channel>`, `<@U123>`). */
export const toSlack = (message: Message, mentions: ReadonlyArray<string>): JsonObject => {
  const section = (text: string): JsonObject => ({ type: "section", text: { type: "mrkdwn", text } })
  const fields = message.facts.slice(0, maximumFields).map(([label, value]) => ({
    type: "mrkdwn",
    text: `*${slackText(label, maximumFieldCharacters)}*\n${slackText(value, maximumFieldCharacters)}`
  }))
  return {
    text: [...mentions, slackText(oneLine(message.title), maximumSectionCharacters)].join(" "),
    blocks: [
      { type: "header", text: { type: "plain_text", text: oneLine(message.title).slice(0, maximumHeaderCharacters) } },
      ...(mentions.length === 0 ? [] : [section(mentions.join(" "))]),
      ...message.text.map((text) => section(slackText(text, maximumSectionCharacters))),
      ...(message.action === undefined
        ? []
        : [section(`*What to do:* ${slackText(message.action, maximumSectionCharacters)}`)]),
      ...(fields.length === 0 ? [] : [{ type: "section", fields }]),
      ...(message.link === undefined
        ? []
        : [section(`<${escapeSlack(message.link.url)}|${escapeSlack(message.link.label)}>`)])
    ]
  }
}
