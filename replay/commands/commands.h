/*
 * The commands that run a guest. Each takes argv[0] = its own name and returns an
 * exit status (enum cli_status).
 */
#ifndef REPLAY_COMMANDS_COMMANDS_H
#define REPLAY_COMMANDS_COMMANDS_H

int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

#endif
