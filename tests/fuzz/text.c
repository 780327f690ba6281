/* A text file, and all that texts become: words and their indices, characters and theirs, bytes and theirs.
 * What was turned into characters or bytes turns back into the same text. */
#include "data/alphabet.h"
#include "data/text.h"
#include "data/text_file.h"
#include "data/vocabulary.h"
#include "tests/fuzz/target.h"

#include <string.h>

static void there_and_back(const char *text, size_t size, bool by_bytes)
{
    tl_alphabet *alphabet = tl_alphabet_from_text(text, size, .by_bytes = by_bytes);
    EXPECT(!alphabet == (!by_bytes && tl_utf8_check(text, size) >= 0));
    if (!alphabet)
        return;
    tl_tensor ids = tl_alphabet_encode(alphabet, text, size);
    EXPECT(tl_tensor_ok(ids));
    char *back = malloc(size + 1);
    EXPECT(tl_alphabet_decode(alphabet, tl_data(ids), tl_tensor_count(ids), back, size + 1) == (int64_t)size);
    EXPECT(memcmp(back, text, size) == 0);
    free(back);
    tl_tensor_free(&ids);
    tl_alphabet *copy = tl_alphabet_from_characters(tl_alphabet_characters(alphabet),
                                                    tl_alphabet_size(alphabet), .by_bytes = by_bytes);
    EXPECT(copy);
    tl_alphabet_free(copy);
    tl_alphabet_free(alphabet);
}

static void use_vocabulary(const tl_vocabulary *vocabulary, const char *text)
{
    int64_t count = tl_vocabulary_encode(vocabulary, text, NULL, 0);
    int32_t *ids = malloc((size_t)count * sizeof *ids);
    EXPECT(count >= 1 && tl_vocabulary_encode(vocabulary, text, ids, count) == count);
    int64_t length = tl_vocabulary_decode(vocabulary, ids, count, NULL, 0);
    EXPECT(length >= 0);
    char *back = malloc((size_t)length + 1);
    EXPECT(tl_vocabulary_decode(vocabulary, ids, count, back, (size_t)length + 1) == length);
    EXPECT(strlen(back) == (size_t)length && tl_utf8_check(back, (size_t)length) < 0);
    free(back);
    free(ids);
}

/* Words of bytes that are no UTF-8 do no harm; a vocabulary is made of those that are. */
static void words(const char *text)
{
    tl_words words = tl_words_of(text);
    int64_t count = 1;
    for (const char *word; (word = tl_words_next(&words)) != NULL; count++)
        EXPECT(strlen(word) == words.length && words.length > 0 && words.length < TL_WORD_SIZE);
    EXPECT(!tl_text_is_blank(text) || count == 1);
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(&text, 1, .num_words = 9);
    EXPECT(!vocabulary == (tl_utf8_check(text, strlen(text)) >= 0));
    if (vocabulary)
        use_vocabulary(vocabulary, text);
    tl_vocabulary_free(vocabulary);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    size_t size = 0;
    char *text = tl_text_read(file_of(bytes, count), &size);
    if (text) {
        EXPECT(size > 0 && text[size] == '\0');
        there_and_back(text, size, false);
        there_and_back(text, size, true);
        words(text);
    }
    tl_text_free(text);
    return 0;
}
