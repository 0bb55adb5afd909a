// A command with an argument that may begin with "-", as one kid in 64 does. Commander reads such an argument as an
// unknown option.
import { Command, type ErrorOptions, type ParseOptionsResult } from 'commander';
import { isKidShaped } from '../../credentials/keys/generate.ts';

/** A command whose subcommands are of this class too. */
export class CommandLine extends Command {
  override createCommand(name?: string): CommandLine {
    return new CommandLine(name);
  }

  /** Takes kids as arguments. No option has the shape of a kid. */
  override parseOptions(args: string[]): ParseOptionsResult {
    const { operands, unknown } = super.parseOptions(args);
    // A subcommand parses these arguments again. Only the subcommand knows which arguments are values of its options.
    if (this.commands.length > 0) return { operands, unknown };
    const option = unknown.findIndex((arg) => arg.startsWith('-') && !isKidShaped(arg));
    const end = option === -1 ? unknown.length : option;
    return { operands: [...operands, ...unknown.slice(0, end)], unknown: unknown.slice(end) };
  }

  override error(message: string, options?: ErrorOptions): never {
    const mayBeArgument = options?.code === 'commander.unknownOption' && this.registeredArguments.length > 0;
    return super.error(mayBeArgument ? `${message}\nWrite -- before an argument that begins with -` : message, options);
  }
}
