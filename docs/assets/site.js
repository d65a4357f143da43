// A table that slides sideways must be reached by keyboard: the theme wraps tables when the page has loaded.
const reachable = () => document.querySelectorAll(".md-typeset__scrollwrap").forEach((wrap) => { wrap.tabIndex = 0; });
new MutationObserver(reachable).observe(document, { childList: true, subtree: true });
reachable();
