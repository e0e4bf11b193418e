/* What each page says of itself when it is opened. */
"use strict";
output = input.map((page) => {
  const { model, is_intact } = read_model(page);
  const compared = compare_with_python(model, page.check);
  return { intact: is_intact(), ok: is_small(compared.largest), ...compared };
});
