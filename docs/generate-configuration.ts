// Writes docs/configuration.md and deploy/examples/mermin.toml from the schemas: `bun docs/generate-configuration.ts`.

import { formatValue } from "../src/config/print.ts";
import { describeConfig, type SectionNode, type SettingNode } from "../src/config/settings.ts";
import { findNode } from "../src/config/validate.ts";

const INTRODUCTION = `# Configuration

<!-- Made by docs/generate-configuration.ts from the schemas in src/*/config.ts. Do not edit. -->

\`mermin run -c FILE\` reads a TOML file; without one every setting has its default. What is set later wins: defaults,
file, environment, flags. \`mermin check -c FILE\` prints the settings in effect, or everything that is wrong at once.
[deploy/examples/mermin.toml](../deploy/examples/mermin.toml) has every setting with its default.

- Durations are strings: \`"500ms"\`, \`"5s"\`, \`"1m30s"\`, \`"24h"\`.
- Sizes are strings: \`"4MiB"\`, \`"512KiB"\`; a bare number is bytes.
- \`"\${NAME}"\` in any string is the environment variable of that name, \`"\${NAME:fallback}"\` the fallback where it is
  not set or empty; \`$\${\` is a literal \`\${\`. A number or boolean may be given that way too.
- \`{ file = "path" }\` in place of a secret reads it from a file, without its last newline, and again when the file
  changes; a relative path, here and wherever a file is named, starts at the folder of the config file.
- The file may also be named by \`MERMIN_CONFIG_PATH\`.
- An OTLP endpoint in the environment turns that export on; the other \`OTEL_EXPORTER_OTLP_*\` variables change it only
  where it is on, and of several \`[[export.otlp]]\` the first. For gRPC an endpoint there may be without a scheme: it is
  \`https\` unless \`OTEL_EXPORTER_OTLP_INSECURE\` is \`true\`.
- Where there are several collectors, each is a \`[[export.otlp]]\`; its tables are \`[export.otlp.tls]\` and so on below it.
`;

/** The reference page. */
export function formatConfigurationPage(): string {
  const parts = [...walkSections(describeConfig(), [])].map(
    ([path, settings]) => `\n## ${formatHeading(path)}\n\n${formatTable(settings)}`,
  );
  return INTRODUCTION + parts.join("");
}

/** A config file with every setting commented out at its default. */
export function formatExampleFile(): string {
  const lead = "# Every setting of mermin with its default. docs/configuration.md says more.\n";
  const parts = [...walkSections(describeConfig(), [])].map(([path, settings]) => {
    const header = path.length === 0 ? "" : `\n${isOptionalSection(path) ? "#" : ""}[${path.join(".")}]\n`;
    return header + settings.map(formatExample).join("");
  });
  return lead + parts.join("");
}

type NamedSetting = readonly [key: string, setting: SettingNode];

/** Sections that hold settings, outermost first, as a TOML file must have them. */
function* walkSections(
  section: SectionNode,
  path: readonly string[],
): Generator<readonly [readonly string[], readonly NamedSetting[]]> {
  const children = [...section.children];
  const settings = children.flatMap(([key, child]): NamedSetting[] =>
    child.kind === "setting" ? [[key, child]] : [],
  );
  if (settings.length > 0) yield [path, settings];
  for (const [key, child] of children) {
    if (child.kind === "section") yield* walkSections(child, [...path, key]);
  }
}

function isOptionalSection(path: readonly string[]): boolean {
  return path.some((_, index) => {
    const node = findNode(describeConfig(), path.slice(0, index + 1));
    return node?.kind === "section" && node.isOptional;
  });
}

/** `[name]`, and `[[name]]` where there may be several. */
function formatHeading(path: readonly string[]): string {
  if (path.length === 0) return "Top level";
  const node = findNode(describeConfig(), path);
  const name = path.join(".");
  return node?.kind === "section" && node.isRepeatable ? `\`[${name}]\` or \`[[${name}]]\`` : `\`[${name}]\``;
}

function formatTable(settings: readonly NamedSetting[]): string {
  const rows = settings.map(([key, { metadata, initial }]) => {
    const { description, allowed, example, environment, flag } = metadata;
    const more = [
      description,
      example === undefined ? "" : `Example: \`${example}\`.`,
      environment === undefined ? "" : `Environment: ${environment.replace(/[A-Z_]{4,}/g, "`$&`")}.`,
      flag === undefined ? "" : `Flag: \`${flag}\`.`,
    ];
    const cells = [
      `\`${key}\``,
      `\`${formatValue(initial)}\``,
      allowed,
      more.filter((text) => text !== "").join(" "),
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  });
  return `| setting | default | allowed | what it does |\n| --- | --- | --- | --- |\n${rows.join("")}`;
}

function formatExample([key, { metadata, initial }]: NamedSetting): string {
  const description = wrap(metadata.description, 108).map((line) => `# ${line}\n`);
  return `${description.join("")}#${key} = ${formatValue(initial)}\n`;
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

if (import.meta.main) {
  await Bun.write(new URL("configuration.md", import.meta.url), formatConfigurationPage());
  await Bun.write(new URL("../deploy/examples/mermin.toml", import.meta.url), formatExampleFile());
}
