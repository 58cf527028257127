/* As glibc does for programs that run with another user's rights. */
#include "transport/base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool standard_hold(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
                if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
                if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return false; /* the lowest that is free */
        }
        return true;
}
