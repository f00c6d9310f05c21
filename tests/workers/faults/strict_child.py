"""The render process, killed by the first system call that is not listed: in production it is refused, and codecs go on without.

Lives in the tests: nothing in production names it. It does what pages say, as `faulty_child`.
"""

import faulty_child

from workers.rendering import child as render_child
from workers.rendering.pages import pdf_pages
from workers.rendering.sandbox import seccomp as syscall_filter

if __name__ == "__main__":
    pdf_pages.PdfDocument = faulty_child.FaultyDocument
    syscall_filter.OTHERWISE = 0x80000000  # SECCOMP_RET_KILL_PROCESS: SIGSYS
    render_child.main()
