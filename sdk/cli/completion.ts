/** Completion of the command line in a shell, made from the commands themselves: a new one is in it at once. */
import type { Command, Option } from "commander";

/** Shells that can be completed in. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** A script for a shell, to be read when it starts. */
export function completionScript(program: Command, shell: Shell): string {
  const commands = commandsOf(program, "");
  if (shell === "fish") return fish(program.name(), commands);
  return shell === "bash" ? bash(program.name(), commands) : zsh(program.name(), commands);
}

/** A command with its place: `/audit/cronjob`. */
interface Placed {
  readonly path: string;
  readonly command: Command;
}

function commandsOf(command: Command, path: string): readonly Placed[] {
  return [
    { path, command },
    ...command.commands.flatMap((each) =>
      [each.name(), ...each.aliases()].flatMap((name) => commandsOf(each, `${path}/${name}`)),
    ),
  ];
}

function optionsOf(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command);
}

const namesOf = ({ short, long }: Option): readonly string[] => [short, long].filter((each) => each !== undefined);

function subcommandsOf(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command);
}

/** Words of commands and options are letters, digits and dashes: they need no quotes in a shell. */
function words(of: readonly string[]): string {
  return of.filter((each) => /^[-\w.]+$/.test(each)).join(" ");
}

function bash(name: string, commands: readonly Placed[]): string {
  const paths = commands.filter(({ path }) => path !== "").map(({ path }) => path);
  const choices = commands.flatMap(({ path, command }) =>
    optionsOf(command).flatMap((option) =>
      option.argChoices === undefined
        ? []
        : namesOf(option).map((each) => `    "${path} ${each}") words="${words(option.argChoices ?? [])}" ;;`),
    ),
  );
  const values = commands.flatMap(({ path, command }) =>
    optionsOf(command)
      .filter((option) => (option.required || option.optional) && option.argChoices === undefined)
      .flatMap((option) => namesOf(option).map((each) => `"${path} ${each}"`)),
  );
  const options = commands.map(
    ({ path, command }) => `    "${path}") words="${words(optionsOf(command).flatMap(namesOf))}" ;;`,
  );
  const below = commands
    .filter(({ command }) => command.commands.length > 0)
    .map(
      ({ path, command }) => `    "${path}") words="${words(subcommandsOf(command).map((each) => each.name()))}" ;;`,
    );
  return `# completion of ${name} for bash: source <(${name} completion bash)
_${name.replaceAll("-", "_")}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/\${COMP_WORDS[i]}" in
      ${paths.join("|")}) at="$at/\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
${choices.join("\n")}
    ${values.join("|")}) COMPREPLY=(); return ;;
  esac
  if [[ -z "$words" && "$cur" == -* ]]; then
    case "$at" in
${options.join("\n")}
    esac
  elif [[ -z "$words" ]]; then
    case "$at" in
${below.join("\n")}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _${name.replaceAll("-", "_")} ${name}
`;
}

function zsh(name: string, commands: readonly Placed[]): string {
  return `#compdef ${name}
# completion of ${name} for zsh: source <(${name} completion zsh)
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
${bash(name, commands).split("\n").slice(1).join("\n")}`;
}

function fish(name: string, commands: readonly Placed[]): string {
  const lines = commands.flatMap(({ path, command }) => {
    const seen = path === "" ? "__fish_use_subcommand" : `__fish_seen_subcommand_from ${path.split("/").at(-1) ?? ""}`;
    const start = `complete -c ${name} -n '${seen}'`;
    return [
      ...subcommandsOf(command).map(
        (each) => `${start} -f -a ${each.name()} -d ${quoted(each.summary() || each.description())}`,
      ),
      ...optionsOf(command).map((option) =>
        [
          start,
          ...(option.short === undefined ? [] : [`-s ${option.short.slice(1)}`]),
          ...(option.long === undefined ? [] : [`-l ${option.long.slice(2)}`]),
          ...(option.argChoices === undefined
            ? option.required || option.optional
              ? ["-r"]
              : []
            : [`-x -a ${quoted(option.argChoices.join(" "))}`]),
          `-d ${quoted(option.description)}`,
        ].join(" "),
      ),
    ];
  });
  return `# completion of ${name} for fish: ${name} completion fish | source\n${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
