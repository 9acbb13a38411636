// Calls functions of Windows for tests/wine_calls.py: a line each on stdin, an answer each on stdout. Numbers are hexadecimal.
//   C library function argument...   -> result, GetLastError     M size -> address     F address ->
//   W address bytes ->               R address size -> bytes
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef unsigned long long word;
typedef word (*function)(word, word, word, word, word, word, word, word);
static char line[1 << 20];
int main(void)
{
    while (fgets(line, sizeof line, stdin)) {
        char *rest = line + 1, *at;
        if (line[0] == 'C') {
            char *library = strtok(rest, " \r\n"), *name = strtok(NULL, " \r\n");
            function call = (function)(void *)GetProcAddress(LoadLibraryA(library), name);
            word a[8] = {0};
            for (int i = 0; i < 8 && (at = strtok(NULL, " \r\n")); i++) a[i] = strtoull(at, NULL, 16);
            if (!call) { printf("missing\n"); fflush(stdout); continue; }
            word result = call(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
            DWORD why = GetLastError();
            printf("%llx %lx\n", result, why);
        } else if (line[0] == 'M') {
            printf("%llx\n", (word)(size_t)calloc(1, strtoull(rest, NULL, 16)));
        } else if (line[0] == 'F') {
            free((void *)(size_t)strtoull(rest, NULL, 16));
            printf("\n");
        } else if (line[0] == 'W') {
            unsigned char *to = (unsigned char *)(size_t)strtoull(rest, &at, 16);
            for (at++; at[0] > ' '; at += 2) { char two[3] = {at[0], at[1], 0}; *to++ = (unsigned char)strtoul(two, NULL, 16); }
            printf("\n");
        } else if (line[0] == 'R') {
            unsigned char *from = (unsigned char *)(size_t)strtoull(rest, &at, 16);
            for (word left = strtoull(at, NULL, 16); left; left--) printf("%02x", *from++);
            printf("\n");
        }
        fflush(stdout);
    }
    return 0;
}
