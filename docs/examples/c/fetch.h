/* Fetch something through an ESP32 with Espressif's AT firmware, over a serial port. */
#ifndef FETCH_H
#define FETCH_H

#include <stddef.h>

/* Opens a serial port: 115200 baud, 8N1, raw. The descriptor, or -1 with errno. */
int module_open(const char *path);

enum { FETCH_REFUSED = -1, FETCH_SILENT = -2, FETCH_RESTARTED = -3, FETCH_TOO_LONG = -4 };

/* Joins the access point, sends `request` to host:port and collects everything up to the end.
   The number of bytes put into `reply`, or one of the above. */
long fetch(int port, const char *host, int tcp_port, const char *request,
           char *reply, size_t room);

#endif
