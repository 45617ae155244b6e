// Every page is complete without this.
"use strict";
