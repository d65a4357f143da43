window.flatfield = flatfield; // for whoever wants to look, and for the tests
flatfield.page.start();
