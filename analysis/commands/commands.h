/*
 * The commands that analyse traces. Each takes argv[0] = its own name and returns
 * an exit status (enum cli_status).
 */
#ifndef ANALYSIS_COMMANDS_COMMANDS_H
#define ANALYSIS_COMMANDS_COMMANDS_H

int cmd_analyze(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_index(int argc, char **argv);

#endif
