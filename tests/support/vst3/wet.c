/* A small VST3 plugin for tests: one parameter, "Wet", and a reported latency.

   Plays (1 - 2 wet) times its input, LATENCY samples later: unchanged at 0, silence at 0.5, upside
   down at 1. Written against VST3's binary interface: objects that begin with a pointer to a table
   of functions, as C++ lays them out. With INSTRUMENT it has an input for notes and none for sound. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef INSTRUMENT
#define INSTRUMENT 0
#endif
#define LATENCY 64
#define CHANNELS 2
#define STEREO 3u /* a bit for each speaker */

enum { OK = 0, NO = 1, BAD_ARGUMENT = 2, NO_INTERFACE = -1 };
enum { INPUT = 0, OUTPUT = 1, AUDIO = 0, EVENTS = 1, CAN_AUTOMATE = 1, DEFAULT_ACTIVE = 1, FLOAT_32 = 0 };

typedef uint8_t Id[16];
typedef uint16_t Text[128];

#define ID(a, b, c, d) {BYTES(a), BYTES(b), BYTES(c), BYTES(d)}
#define BYTES(x) (uint8_t)((x) >> 24), (uint8_t)((x) >> 16), (uint8_t)((x) >> 8), (uint8_t)(x)

static const Id UNKNOWN = ID(0x00000000u, 0x00000000u, 0xC0000000u, 0x00000046u);
static const Id PLUGIN_BASE = ID(0x22888DDBu, 0x156E45AEu, 0x8358B348u, 0x08190625u);
static const Id FACTORY = ID(0x7A4D811Cu, 0x52114A1Fu, 0xAED9D2EEu, 0x0B43BF9Fu);
static const Id FACTORY_2 = ID(0x0007B650u, 0xF24B4C0Bu, 0xA464EDB9u, 0xF00B2ABBu);
static const Id COMPONENT = ID(0xE831FF31u, 0xF2D54301u, 0x928EBBEEu, 0x25697802u);
static const Id PROCESSOR = ID(0x42043F99u, 0xB7DA453Cu, 0xA569E79Du, 0x9AAEC33Du);
static const Id CONTROLLER = ID(0xDCD7BBE3u, 0x7742448Du, 0xA874AACCu, 0x979C759Eu);
static const Id OURS = ID(0x73747265u, 0x616D7365u, 0x70207765u, 0x74207633u);

typedef struct { char vendor[64], url[256], email[128]; int32_t flags; } FactoryInfo;
typedef struct { Id id; int32_t cardinality; char category[32], name[64]; } ClassInfo;
typedef struct {
    Id id; int32_t cardinality; char category[32], name[64]; uint32_t flags;
    char sub_categories[128], vendor[64], version[64], sdk_version[64];
} ClassInfo2;
typedef struct {
    int32_t media_type, direction, channels; Text name; int32_t type; uint32_t flags;
} BusInfo;
typedef struct {
    uint32_t id; Text title, short_title, units; int32_t steps; double initial;
    int32_t unit, flags;
} ParameterInfo;
typedef struct { int32_t channels; uint64_t silent; float **samples; } Bus;

typedef struct Queue { const struct QueueTable *table; } Queue;
struct QueueTable {
    void *unknown[3];
    uint32_t (*id)(Queue *);
    int32_t (*points)(Queue *);
    int32_t (*point)(Queue *, int32_t, int32_t *, double *);
};
typedef struct Changes { const struct ChangesTable *table; } Changes;
struct ChangesTable {
    void *unknown[3];
    int32_t (*count)(Changes *);
    Queue *(*queue)(Changes *, int32_t);
};
typedef struct {
    int32_t mode, sample_size, samples, inputs, outputs; Bus *in, *out; Changes *changes;
} Block; /* more follows, which isn't looked at */

/* One object with three faces, each of which knows it. */
typedef struct { const void *table; struct Plugin *owner; } Face;
typedef struct Plugin {
    Face component, processor, controller;
    double wet;
    float past[CHANNELS][LATENCY];
} Plugin;

static Plugin *owner(void *self) { return ((Face *)self)->owner; }

#define RETURN(name, value) \
    static int32_t name(void *self) { (void)self; return value; }
RETURN(succeed, OK)
RETURN(fail, NO)
RETURN(one, 1)
RETURN(none, 0)
RETURN(latency, LATENCY)

static void to_text(Text text, const char *characters) {
    do *text++ = (uint8_t)*characters; while (*characters++);
}

static int32_t query(void *self, const Id id, void **face) {
    Plugin *plugin = owner(self);
    *face = NULL;
    if (!memcmp(id, UNKNOWN, 16) || !memcmp(id, PLUGIN_BASE, 16) || !memcmp(id, COMPONENT, 16))
        *face = &plugin->component;
    else if (!memcmp(id, PROCESSOR, 16)) *face = &plugin->processor;
    else if (!memcmp(id, CONTROLLER, 16)) *face = &plugin->controller;
    return *face ? OK : NO_INTERFACE;
}

static int32_t controller_class(void *self, Id id) {
    (void)self;
    memcpy(id, OURS, 16);
    return OK;
}

static int32_t bus_count(void *self, int32_t type, int32_t direction) {
    (void)self;
    return direction == OUTPUT ? type == AUDIO : type == (INSTRUMENT ? EVENTS : AUDIO);
}

static int32_t bus_info(void *self, int32_t type, int32_t direction, int32_t index, BusInfo *info) {
    (void)self;
    if (index || !bus_count(self, type, direction)) return BAD_ARGUMENT;
    *info = (BusInfo){type, direction, CHANNELS, {0}, 0, DEFAULT_ACTIVE};
    to_text(info->name, "main");
    return OK;
}

static int32_t arrange(void *self, uint64_t *in, int32_t ins, uint64_t *out, int32_t outs) {
    (void)self;
    if (ins != bus_count(self, AUDIO, INPUT) || outs != 1) return NO;
    return (!ins || in[0] == STEREO) && out[0] == STEREO ? OK : NO;
}

static int32_t arrangement(void *self, int32_t direction, int32_t index, uint64_t *speakers) {
    (void)self, (void)direction;
    *speakers = STEREO;
    return index ? BAD_ARGUMENT : OK;
}

static int32_t takes_samples(void *self, int32_t size) {
    (void)self;
    return size == FLOAT_32 ? OK : NO;
}

static void take_changes(Plugin *plugin, Changes *changes) {
    int32_t count = changes ? changes->table->count(changes) : 0, offset;
    for (int32_t index = 0; index < count; index++) {
        Queue *queue = changes->table->queue(changes, index);
        int32_t points = queue->table->points(queue);
        if (points) queue->table->point(queue, points - 1, &offset, &plugin->wet);
    }
}

static int32_t process(void *self, Block *block) {
    Plugin *plugin = owner(self);
    take_changes(plugin, block->changes);
    if (!block->inputs || !block->outputs) return OK;
    float gain = (float)(1.0 - 2.0 * plugin->wet);
    for (int channel = 0; channel < CHANNELS; channel++) {
        float *in = block->in->samples[channel], *out = block->out->samples[channel];
        float *past = plugin->past[channel];
        for (int32_t index = 0; index < block->samples; index++) {
            float newest = in[index]; /* both may be one array */
            out[index] = gain * past[0];
            memmove(past, past + 1, (LATENCY - 1) * sizeof *past);
            past[LATENCY - 1] = newest;
        }
    }
    block->out->silent = 0;
    return OK;
}

static int32_t set_active(void *self, uint8_t active) {
    (void)active;
    memset(owner(self)->past, 0, sizeof owner(self)->past);
    return OK;
}

static int32_t parameter(void *self, int32_t index, ParameterInfo *info) {
    (void)self;
    if (index) return BAD_ARGUMENT;
    memset(info, 0, sizeof *info);
    info->flags = CAN_AUTOMATE;
    to_text(info->title, "Wet");
    to_text(info->short_title, "Wet");
    return OK;
}

static int32_t value_text(void *self, uint32_t id, double value, Text text) {
    char characters[32];
    (void)self, (void)id;
    snprintf(characters, sizeof characters, "%.3f", value);
    to_text(text, characters);
    return OK;
}

static double same(void *self, uint32_t id, double value) {
    (void)self, (void)id;
    return value;
}

static double get_value(void *self, uint32_t id) {
    (void)id;
    return owner(self)->wet;
}

static int32_t set_value(void *self, uint32_t id, double value) {
    (void)id;
    owner(self)->wet = value;
    return OK;
}

/* Functions that ignore what they are given stand in wherever that will do. */
#define UNKNOWN_FUNCTIONS query, one, one
#define BASE_FUNCTIONS UNKNOWN_FUNCTIONS, succeed, succeed
static const void *const component_table[] = {
    BASE_FUNCTIONS, controller_class, succeed, bus_count, bus_info, fail, succeed, set_active,
    succeed, succeed,
};
static const void *const processor_table[] = {
    UNKNOWN_FUNCTIONS, arrange, arrangement, takes_samples, latency, succeed, succeed, process, none,
};
static const void *const controller_table[] = {
    BASE_FUNCTIONS, succeed, succeed, succeed, one, parameter, value_text, fail, same, same,
    get_value, set_value, succeed, none,
};

static int32_t factory_query(void *self, const Id id, void **face) {
    int known = !memcmp(id, UNKNOWN, 16) || !memcmp(id, FACTORY, 16) || !memcmp(id, FACTORY_2, 16);
    *face = known ? self : NULL;
    return known ? OK : NO_INTERFACE;
}

static int32_t factory_info(void *self, FactoryInfo *info) {
    (void)self;
    memset(info, 0, sizeof *info);
    strcpy(info->vendor, "streamsep");
    return OK;
}

static int32_t class_info_2(void *self, int32_t index, ClassInfo2 *info) {
    (void)self;
    if (index) return BAD_ARGUMENT;
    memset(info, 0, sizeof *info);
    memcpy(info->id, OURS, 16);
    info->cardinality = INT32_MAX;
    strcpy(info->category, "Audio Module Class");
    strcpy(info->name, "Wet");
    strcpy(info->sub_categories, INSTRUMENT ? "Instrument|Synth" : "Fx");
    strcpy(info->vendor, "streamsep");
    strcpy(info->version, "1.0.0");
    strcpy(info->sdk_version, "VST 3.7.0");
    return OK;
}

static int32_t class_info(void *self, int32_t index, ClassInfo *info) {
    ClassInfo2 all;
    int32_t result = class_info_2(self, index, &all);
    if (result == OK) memcpy(info, &all, sizeof *info);
    return result;
}

/* What it makes is never given back: programs that run it are short. */
static int32_t create(void *self, const Id id, const Id face, void **object) {
    (void)self;
    if (memcmp(id, OURS, 16)) return BAD_ARGUMENT;
    Plugin *plugin = calloc(1, sizeof *plugin);
    plugin->component = (Face){component_table, plugin};
    plugin->processor = (Face){processor_table, plugin};
    plugin->controller = (Face){controller_table, plugin};
    return query(plugin, face, object);
}

static const void *const factory_table[] = {
    factory_query, one, one, factory_info, one, class_info, create, class_info_2,
};
static const void *factory = factory_table;

void *GetPluginFactory(void) { return &factory; }

uint8_t ModuleEntry(void *library) { return library != NULL; }
uint8_t ModuleExit(void) { return 1; }
