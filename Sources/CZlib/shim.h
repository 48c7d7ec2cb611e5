#include <zlib.h>

/* deflateInit2 is a macro. windowBits: 13 zlib (PDF), -13 raw (ZIP), 29 gzip; with memory level 7 some 100 KiB. */
static inline int port77_deflate_init(z_stream *stream, int level, int windowBits) {
    return deflateInit2(stream, level, Z_DEFLATED, windowBits, 7, Z_DEFAULT_STRATEGY);
}
