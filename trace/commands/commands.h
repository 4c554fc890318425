/*
 * The commands that look at a trace on disk. Each takes argv[0] = its own name
 * and returns an exit status (enum cli_status).
 */
#ifndef TRACE_COMMANDS_COMMANDS_H
#define TRACE_COMMANDS_COMMANDS_H

int cmd_info(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_repair(int argc, char **argv);

#endif
