#include <zlib.h>

/* deflateInit2 is a macro. windowBits: 13 zlib (PDF), -13 raw (ZIP), 29 gzip; with memory level 6 some 70 KiB. */
static inline int port77_deflate_init(z_stream *stream, int level, int windowBits) {
    return deflateInit2(stream, level, Z_DEFLATED, windowBits, 6, Z_DEFAULT_STRATEGY);
}
