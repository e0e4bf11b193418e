/* What each page says of itself when it is opened. */
"use strict";
output = input.map((page) => {
  const { model, intact } = read_model(page);
  const compared = compare_with_python(model, page.check);
  return { intact, ok: is_small(compared.largest), ...compared };
});
