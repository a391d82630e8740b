/*
 * Renders before the constructors of C++ libraries run.
 *
 * RocksDB fills its tables of options in 283 constructors before `main`: with their page faults that takes
 * longer than most renders, and memory that each render worker would keep. What is typed as `fluvial render`,
 * and a worker, opens no database, so it gets `main` from here and ends without them. Everything else goes on
 * as always. glibc calls what stands in `.init_array` with what it calls `main` with, those with a number first.
 */
#include <stdlib.h>
#include <string.h>

extern int main(int count, char **words);

static void start(int count, char **words) {
    int is_worker = count > 0 && strcmp(words[0], "fluvial-render") == 0;
    int is_render = count > 1 && strcmp(words[1], "render") == 0;
    if (is_worker || is_render) {
        exit(main(count, words));
    }
}

/* After 99, by which Rust's standard library keeps its arguments. */
__attribute__((used, section(".init_array.00200"))) static void (*const first)(int, char **) = start;
