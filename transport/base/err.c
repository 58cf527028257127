/* Names and texts of the errors, and sentences about them. */
#include "transport/base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
        const char *name, *text;
        enum err_class class;
} errors[ERR_COUNT] = {
#define ERR_ROW(name, class_, text) [name] = {#name, text, ERR_CLASS_##class_},
        ERR_LIST(ERR_ROW)
#undef ERR_ROW
};

/* Whoever hands over a number that is no error made a mistake; it is called "failed" rather than read out of the table. */
static enum err known(enum err err)
{
        return (unsigned)err < ERR_COUNT ? err : ERR_FAILED;
}

const char *err_name(enum err err)
{
        return errors[known(err)].name;
}

const char *err_text(enum err err)
{
        return errors[known(err)].text;
}

enum err_class err_class(enum err err)
{
        return errors[known(err)].class;
}

enum err fail(struct reason *why, enum err err, const char *fmt, ...)
{
        va_list args;

        if (!why) return err;
        va_start(args, fmt);
        vsnprintf(why->text, sizeof why->text, fmt, args);
        va_end(args);
        return err;
}
