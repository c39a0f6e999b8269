/* Debian's libunwind.a is compiled against glibc. These are the symbols of
 * glibc that it may use and that musl lacks. */

typedef void file;
int vfprintf(file *, const char *, __builtin_va_list);

/* The fortified functions have one more argument, which only restricts %n. */
int __vfprintf_chk(file *f, int flag, const char *format, __builtin_va_list args)
{
    (void)flag;
    return vfprintf(f, format, args);
}

int __fprintf_chk(file *f, int flag, const char *format, ...)
{
    __builtin_va_list args;
    int written;

    (void)flag;
    __builtin_va_start(args, format);
    written = vfprintf(f, format, args);
    __builtin_va_end(args);
    return written;
}

/* Returns "not found": libunwind then uses dl_iterate_phdr, which musl has. */
int _dl_find_object(void *address, void *result)
{
    (void)address;
    (void)result;
    return -1;
}
