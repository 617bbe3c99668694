// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: knobs that leave one part out, so that a test can see that it would
 * notice, or that stand in for hardware. Only in kernels with CONFIG_PKERNFS_TEST.
 *
 * pkernfs_test=KNOB[,KNOB...] on the command line, or written to
 * /sys/module/pkernfs/parameters/test (an empty line clears all).
 */
#include <linux/bitops.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/pkernfs.h>
#include <linux/string.h>

static const char * const pkernfs_test_names[] = {
	[PKERNFS_TEST_CLEAR_FIRST]	= "clear-first",
	[PKERNFS_TEST_HALF_FIRST]	= "half-first",
	[PKERNFS_TEST_TRANSLATION_OFF]	= "translation-off",
	[PKERNFS_TEST_SSADS]		= "ssads",
	[PKERNFS_TEST_INIT_FAILS]	= "init-fails",
	[PKERNFS_TEST_STUCK_LOCKS]	= "stuck-locks",
	[PKERNFS_TEST_TAKE_FAILS]	= "take-fails",
	[PKERNFS_TEST_RELEASE_WAITS]	= "release-waits",
	[PKERNFS_TEST_NO_CONFIG]	= "no-config",
};

static unsigned long pkernfs_test_knobs;

/**
 * pkernfs_test - is a knob set?
 * @knob: the knob
 */
bool pkernfs_test(enum pkernfs_test_knob knob)
{
	return test_bit(knob, &pkernfs_test_knobs);
}

/**
 * pkernfs_test_window - stay a while in a state that hardware must not see
 *
 * Long enough that a device at work is sure to meet it.
 */
void pkernfs_test_window(void)
{
	mdelay(5);
}

/**
 * pkernfs_test_pause - let others do what they want to
 */
void pkernfs_test_pause(void)
{
	msleep(3000);
}

static int pkernfs_test_parse(const char *list)
{
	char buf[128], *p = buf, *word;
	unsigned long knobs = 0;
	int i;

	if (strscpy(buf, list, sizeof(buf)) < 0)
		return -E2BIG;
	while ((word = strsep(&p, ","))) {
		word = strim(word);
		if (!*word)
			continue;
		i = match_string(pkernfs_test_names, ARRAY_SIZE(pkernfs_test_names), word);
		/* Other parts of pkernfs take their own words from the same list. */
		if (i >= 0)
			__set_bit(i, &knobs);
	}
	WRITE_ONCE(pkernfs_test_knobs, knobs);
	if (knobs)
		pr_warn("pkernfs: TEST: %s\n", list);
	return 0;
}

static int pkernfs_test_set(const char *val, const struct kernel_param *kp)
{
	return pkernfs_test_parse(val);
}

static const struct kernel_param_ops pkernfs_test_ops = { .set = pkernfs_test_set };

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "pkernfs."
module_param_cb(test, &pkernfs_test_ops, NULL, 0200);

static int __init pkernfs_test_setup(char *list)
{
	pkernfs_test_parse(list);
	return 0;
}
early_param("pkernfs_test", pkernfs_test_setup);
